package probe

import (
	"bytes"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/subtle"
	"slices"

	"github.com/lbha/lbha/healthcheck"
)

// The ways to log in that are spoken: MySQL's before version 8 and MariaDB's, and that
// of MySQL since.
const (
	mysqlNative  = "mysql_native_password"
	mysqlCaching = "caching_sha2_password"
)

// login answers the greeting, and what the server asks then.
func (m *mysqlTalk) login(l Login, database string, capabilities uint32, g mysqlGreeting) error {
	plugin, nonce := g.plugin, g.nonce
	if plugin != mysqlNative && plugin != mysqlCaching {
		plugin = mysqlNative // the server says if the user is known by another one
	}
	if len(nonce) != mysqlNonceSize {
		return wrongf(healthcheck.FailureProtocol, "mysql greeting without a nonce to log in with")
	}
	proof := mysqlProof(plugin, l.Password, nonce)
	response := append(append(mysqlResponse(capabilities), l.User...), 0, byte(len(proof)))
	response = append(response, proof...)
	if database != "" {
		response = append(append(response, database...), 0)
	}
	response = append(append(response, plugin...), 0)
	if err := m.write(phaseAuth, response); err != nil {
		return err
	}
	for range maxMySQLSteps {
		packet, err := m.packet(phaseAuth, maxLine)
		if err != nil {
			return err
		}
		var answer []byte
		switch {
		case packet[0] == mysqlOK:
			return nil
		case packet[0] == mysqlErr && len(packet) >= 3:
			return mysqlRefused(packet)
		case packet[0] == mysqlSwitch:
			name, data, _ := bytes.Cut(packet[1:], []byte{0})
			nonce = bytes.TrimSuffix(data, []byte{0})
			plugin = string(name)
			switch {
			case plugin != mysqlNative && plugin != mysqlCaching:
				return wrongf(healthcheck.FailureStatus, "mysql wants a login by %.40q: only %s and %s are spoken", name, mysqlNative, mysqlCaching)
			case len(nonce) != mysqlNonceSize:
				return wrongf(healthcheck.FailureProtocol, "mysql asks for a login with a nonce of %d bytes", len(nonce))
			}
			answer = mysqlProof(plugin, l.Password, nonce)
		case plugin == mysqlCaching && string(packet) == "\x01\x03": // it knows us: an OK follows
			continue
		case plugin == mysqlCaching && string(packet) == "\x01\x04": // it wants the password itself
			if m.session == nil {
				return wrongf(healthcheck.FailureStatus, "mysql has not seen this user since it started, and wants the password itself: that needs tls")
			}
			answer = append([]byte(l.Password), 0)
		default:
			return wrongf(healthcheck.FailureProtocol, "mysql answers a login with %.8x", packet)
		}
		if err := m.write(phaseAuth, answer); err != nil {
			return err
		}
	}
	return wrongf(healthcheck.FailureProtocol, "mysql asks for more than %d things in a login", maxMySQLSteps)
}

// mysqlRefused is mysqlError in a login.
func mysqlRefused(packet []byte) error {
	w := mysqlError(packet).(*wrong)
	switch code := int(packet[1]) | int(packet[2])<<8; {
	case slices.Contains([]int{1044, 1045, 1698, 3118, 4151}, code): // no such user, password or right; locked
		w.detail = "login refused: " + w.detail
	case code == 1049:
		w.detail = "no such database: " + w.detail
	}
	return w
}

// mysqlProof shows that we know a password, without saying it; of an empty one it is
// empty.
//
//	native:   SHA1(p) XOR SHA1(nonce SHA1(SHA1(p)))
//	caching:  SHA256(p) XOR SHA256(SHA256(SHA256(p)) nonce)
func mysqlProof(plugin, password string, nonce []byte) []byte {
	if password == "" {
		return nil
	}
	if plugin == mysqlCaching {
		once := sha256.Sum256([]byte(password))
		twice := sha256.Sum256(once[:])
		mask := sha256.Sum256(append(twice[:], nonce...))
		subtle.XORBytes(mask[:], mask[:], once[:])
		return mask[:]
	}
	once := sha1.Sum([]byte(password))
	twice := sha1.Sum(once[:])
	mask := sha1.Sum(append(bytes.Clone(nonce), twice[:]...))
	subtle.XORBytes(mask[:], mask[:], once[:])
	return mask[:]
}
