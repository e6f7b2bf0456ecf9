package probe

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"

	"github.com/lbha/lbha/healthcheck"
)

// Bounds of what a MySQL server may say in a login.
const (
	maxMySQLGreeting = 1024
	maxMySQLSteps    = 8 // answers in a login
	mysqlNonceSize   = 20
)

// Capabilities, as the protocol numbers them, and other words of it.
const (
	mysqlLongPassword = 1 << 0
	mysqlConnectWith  = 1 << 3 // a database
	mysqlTLS          = 1 << 11
	mysqlProtocol41   = 1 << 9
	mysqlTransactions = 1 << 13
	mysqlSecure       = 1 << 15 // a nonce of 20 bytes
	mysqlPluginAuth   = 1 << 19

	mysqlUTF8 = 45 // utf8mb4_general_ci

	mysqlOK, mysqlMore, mysqlSwitch, mysqlErr = 0x00, 0x01, 0xfe, 0xff
)

func newMySQL(d dialer, o Options) (*talkProber, error) {
	p, err := newTalk(d, o, nil)
	if err != nil {
		return nil, err
	}
	for _, text := range []string{o.Login.User, o.Database} {
		if strings.ContainsRune(text, 0) || len(text) > maxText {
			return nil, errors.New("a user or database name has no NUL and at most 1024 bytes")
		}
	}
	// TLS begins after the greeting.
	p.converse, p.tls = mysql(o.Login, o.Database, p.tls), nil
	return p, nil
}

// mysql hears the greeting of a MySQL or MariaDB server: one that takes no more
// connections, or none from us, says so in its place. With a login it logs in, and
// pings: only then has the server shown that its threads, tables of users and the
// database asked for are there.
//
// Without one the server may count a broken handshake of our address, and shut us out
// after max_connect_errors of them (100) in a row: set that high.
func mysql(login Login, database string, client *tlsClient) conversation {
	return func(t *talk) (string, error) {
		m := &mysqlTalk{talk: t}
		greeting, err := m.greeting()
		if err != nil {
			return "", err
		}
		ready := quoted("mysql %.40s", greeting.version)
		if client == nil && login.User == "" {
			return ready, nil
		}
		capabilities := uint32(mysqlLongPassword | mysqlProtocol41 | mysqlTransactions | mysqlSecure | mysqlPluginAuth)
		if database != "" {
			capabilities |= mysqlConnectWith
		}
		if client != nil {
			capabilities |= mysqlTLS
			if greeting.capabilities&mysqlTLS == 0 {
				return "", wrongf(healthcheck.FailureTLS, "the server does not offer TLS")
			}
			if err := m.write(phaseStartTLS, mysqlResponse(capabilities)); err != nil {
				return "", err
			}
			if err := t.secure(client); err != nil {
				return "", err
			}
		}
		if login.User == "" {
			return t.inTLS(ready), nil
		}
		if lacks := capabilities &^ greeting.capabilities &^ mysqlLongPassword; lacks != 0 {
			return "", wrongf(healthcheck.FailureProtocol, "mysql %.40s is too old to log in to (it lacks capabilities %#x)", greeting.version, lacks)
		}
		if err := m.login(login, database, capabilities, greeting); err != nil {
			return "", err
		}
		if err := m.ping(); err != nil {
			return "", err
		}
		t.leave("\x01\x00\x00\x00\x01") // COM_QUIT
		return t.inTLS(ready), nil
	}
}

// mysqlResponse is the head of an answer to the greeting; alone it asks for TLS.
func mysqlResponse(capabilities uint32) []byte {
	b := binary.LittleEndian.AppendUint32(nil, capabilities)
	b = binary.LittleEndian.AppendUint32(b, maxLine) // the largest packet we take
	return append(append(b, mysqlUTF8), make([]byte, 23)...)
}

// A mysqlTalk is a talk in packets, which are numbered.
type mysqlTalk struct {
	*talk
	next byte // number of the next packet, whoever sends it
}

// packet reads a packet of at least one byte and at most limit.
func (m *mysqlTalk) packet(at phase, limit int) ([]byte, error) {
	head, err := m.bytes(at, 4)
	if err != nil {
		return nil, err
	}
	// Length in three bytes, least first, then the number of the packet.
	n := int(head[0]) | int(head[1])<<8 | int(head[2])<<16
	if n == 0 || n > limit || head[3] != m.next {
		if at == phaseBanner {
			return nil, wrongf(healthcheck.FailureProtocol, "no mysql greeting: it begins with %x", head)
		}
		return nil, wrongf(healthcheck.FailureProtocol, "no mysql packet in %s: it begins with %x", at, head)
	}
	m.next++
	return m.bytes(at, n)
}

func (m *mysqlTalk) write(at phase, content []byte) error {
	n := len(content)
	head := []byte{byte(n), byte(n >> 8), byte(n >> 16), m.next}
	m.next++
	return m.say(at, string(head)+string(content))
}

// A mysqlGreeting is the first packet of a server, protocol 10.
type mysqlGreeting struct {
	version      []byte
	capabilities uint32
	nonce        []byte // 20 bytes, or none from a server that has not said so many
	plugin       string // how it would like a login; "": it does not say
}

func (m *mysqlTalk) greeting() (mysqlGreeting, error) {
	packet, err := m.packet(phaseBanner, maxMySQLGreeting)
	if err != nil {
		return mysqlGreeting{}, err
	}
	if packet[0] == mysqlErr && len(packet) >= 3 {
		return mysqlGreeting{}, mysqlError(packet)
	}
	version, rest, ended := bytes.Cut(packet[1:], []byte{0})
	if packet[0] != 9 && packet[0] != 10 || !ended {
		return mysqlGreeting{}, wrongf(healthcheck.FailureProtocol, "no mysql greeting: protocol %d", packet[0])
	}
	return parseMySQLGreeting(version, rest), nil
}

// parseMySQLGreeting reads what follows the version: thread (4), nonce (8), 0, capabilities
// (2), character set, status (2), capabilities (2), length of the nonce, 10 of 0, the rest
// of the nonce and a 0, the plugin and a 0. What is not there stays zero.
func parseMySQLGreeting(version, b []byte) mysqlGreeting {
	g := mysqlGreeting{version: version}
	const fixed = 31
	if len(b) < fixed {
		return g
	}
	g.capabilities = uint32(binary.LittleEndian.Uint16(b[13:])) | uint32(binary.LittleEndian.Uint16(b[18:]))<<16
	rest := b[fixed:]
	if more := max(13, int(b[20])-8); len(rest) >= more {
		g.nonce = append(bytes.Clone(b[4:12]), rest[:mysqlNonceSize-8]...)
		plugin, _, _ := bytes.Cut(rest[more:], []byte{0})
		g.plugin = string(plugin)
	}
	return g
}

// ping asks whether the server is alive, once we are in.
func (m *mysqlTalk) ping() error {
	m.next = 0
	if err := m.write(phaseAnswer, []byte{0x0e}); err != nil { // COM_PING
		return err
	}
	packet, err := m.packet(phaseAnswer, maxLine)
	switch {
	case err != nil:
		return err
	case packet[0] == mysqlOK:
		return nil
	case packet[0] == mysqlErr && len(packet) >= 3:
		return mysqlError(packet)
	}
	return wrongf(healthcheck.FailureProtocol, "mysql answers a ping with packet %#x", packet[0])
}

// mysqlError reads an error: its number, '#' and a state of five bytes except in a
// greeting, and a text.
func mysqlError(packet []byte) error {
	text := packet[3:]
	if len(text) >= 6 && text[0] == '#' {
		text = text[6:]
	}
	return wrongf(healthcheck.FailureStatus, "mysql error %d: %s", binary.LittleEndian.Uint16(packet[1:]), text)
}
