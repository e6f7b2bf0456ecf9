package probe

import (
	"bytes"
	"errors"
	"io"

	"github.com/lbha/lbha/healthcheck"
)

// exchange sends what the options say, and reads until what they expect has come:
// for types tcp and tls, and by other means for udp. The text may come after
// others, in any pieces.
func exchange(e Exchange) conversation {
	return func(t *talk) (string, error) {
		if e.Send != "" {
			if err := t.say(phaseRequest, string(e.Send)); err != nil {
				return "", err
			}
		}
		detail := "connected"
		if t.session != nil {
			detail = describeSession(t.session)
		}
		if e.Expect == "" {
			return detail, nil
		}
		return detail + ", answered", t.expect([]byte(e.Expect))
	}
}

// expect reads until the text has come.
func (t *talk) expect(text []byte) error {
	t.at = phaseAnswer
	var heard []byte
	for piece := make([]byte, 4096); ; {
		n, err := t.r.Read(piece)
		fresh := max(0, len(heard)-len(text)+1)
		heard = append(heard, piece[:n]...)
		if bytes.Contains(heard[fresh:], text) {
			return nil
		}
		_, beyond := errors.AsType[*wrong](err)
		switch {
		case err == nil:
		case beyond:
			return wrongf(healthcheck.FailureBody, "no %.40q in the first %d KiB of the answer", text, maxTalk>>10)
		case len(heard) == 0:
			return err
		case errors.Is(err, io.EOF):
			return wrongf(healthcheck.FailureBody, "no %.40q in the answer %.60q", text, heard)
		default:
			t.at = phaseAnswer + phase(quoted(" (so far %.40q)", heard))
			return err
		}
	}
}
