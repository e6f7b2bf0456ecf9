package probe

import "encoding/json"

// Question is what a prober with the key of [Options.Key] asks, wherever it asks from:
// how probes leave this host is not in it. Equal questions of two hosts, equal answers.
func Question(key string) string {
	var o map[string]json.RawMessage
	if json.Unmarshal([]byte(key), &o) != nil {
		return key // not of ours
	}
	delete(o, "dial")
	text, err := json.Marshal(o) // its keys are sorted
	if err != nil {
		return key
	}
	return string(text)
}
