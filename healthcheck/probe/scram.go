package probe

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"strconv"
	"strings"

	"github.com/lbha/lbha/healthcheck"
)

const scramName = "SCRAM-SHA-256"

// maxIterations bounds the work that a server may ask of us. PostgreSQL asks for 4096,
// about a millisecond.
const maxIterations = 100_000

// A scram is the client's side of SCRAM-SHA-256 (RFC 5802, 7677) without channel binding
// and without a name: PostgreSQL takes that of the startup message. The password is used
// as it is written, not normalised.
type scram struct {
	password    string
	nonce       string
	signedTexts string // AuthMessage
	salted      []byte // SaltedPassword
}

func newSCRAM(password string) *scram { return &scram{password: password, nonce: rand.Text()} }

// bare is the first message without the header on channel binding.
func (s *scram) bare() string { return "n=,r=" + s.nonce }

func (s *scram) first() string { return "n,," + s.bare() }

// answer answers the server's challenge, "r=NONCE,s=SALT,i=ITERATIONS", with a proof that
// we know the password.
func (s *scram) answer(challenge string) (string, error) {
	nonce, salt, iterations, err := parseChallenge(challenge)
	if err != nil {
		return "", err
	}
	if !strings.HasPrefix(nonce, s.nonce) || len(nonce) == len(s.nonce) {
		return "", wrongf(healthcheck.FailureProtocol, "scram challenge with a nonce that is not ours")
	}
	if s.salted, err = pbkdf2.Key(sha256.New, s.password, salt, iterations, sha256.Size); err != nil {
		return "", err
	}
	final := "c=biws,r=" + nonce // biws: "n,,"
	s.signedTexts = s.bare() + "," + challenge + "," + final
	key := sign(s.salted, "Client Key")
	stored := sha256.Sum256(key)
	signature := sign(stored[:], s.signedTexts)
	subtle.XORBytes(key, key, signature)
	return final + ",p=" + base64.StdEncoding.EncodeToString(key), nil
}

// verify checks the server's proof that it knows the password, "v=SIGNATURE".
func (s *scram) verify(final string) error {
	want := "v=" + base64.StdEncoding.EncodeToString(sign(sign(s.salted, "Server Key"), s.signedTexts))
	if !hmac.Equal([]byte(final), []byte(want)) {
		return wrongf(healthcheck.FailureProtocol, "the server does not show that it knows the password itself: somebody else answers")
	}
	return nil
}

func sign(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// parseChallenge reads the first message of a server.
func parseChallenge(text string) (nonce string, salt []byte, iterations int, err error) {
	fields := strings.Split(text, ",")
	if len(fields) < 3 || !strings.HasPrefix(fields[0], "r=") || !strings.HasPrefix(fields[1], "s=") || !strings.HasPrefix(fields[2], "i=") {
		return "", nil, 0, wrongf(healthcheck.FailureProtocol, "no scram challenge but %.60q", text)
	}
	salt, err = base64.StdEncoding.DecodeString(fields[1][2:])
	if err != nil || len(salt) == 0 {
		return "", nil, 0, wrongf(healthcheck.FailureProtocol, "scram challenge with a bad salt")
	}
	iterations, err = strconv.Atoi(fields[2][2:])
	if err != nil || iterations < 1 || iterations > maxIterations {
		return "", nil, 0, wrongf(healthcheck.FailureProtocol, "scram challenge with %.20q iterations, want 1 to %d", fields[2][2:], maxIterations)
	}
	return fields[0][2:], salt, iterations, nil
}
