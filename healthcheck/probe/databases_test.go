package probe

import (
	"bytes"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// mysqlSays is a packet of a server.
func mysqlSays(number byte, content string) string {
	n := len(content)
	return string([]byte{byte(n), byte(n >> 8), byte(n >> 16), number}) + content
}

const mysqlTestNonce = "abcdefghijklmnopqrst"

// mysqlHello is the greeting of a server that likes logins by the plugin.
func mysqlHello(plugin string) string {
	return mysqlSays(0, "\x0a8.0.36\x00\x01\x00\x00\x00"+mysqlTestNonce[:8]+"\x00\xff\xff\x2d\x02\x00\xff\xdf\x15"+strings.Repeat("\x00", 10)+mysqlTestNonce[8:]+"\x00"+plugin+"\x00")
}

// mysqlServer is a peer that knows of the password "secret" only the hash of its hash, as
// a server of MySQL 8 does, and lets in who shows that he knows it.
func mysqlServer(first string, then func(c net.Conn)) peer {
	return func(c net.Conn) {
		io.WriteString(c, mysqlHello(first))
		head := make([]byte, 4)
		if _, err := io.ReadFull(c, head); err != nil {
			return
		}
		response := make([]byte, int(head[0])|int(head[1])<<8)
		io.ReadFull(c, response)
		_, rest, _ := bytes.Cut(response[32:], []byte{0})
		proof := rest[1 : 1+rest[0]]
		once := sha256.Sum256([]byte("secret"))
		stored := sha256.Sum256(once[:])
		mask := sha256.Sum256(append(stored[:], mysqlTestNonce...))
		if len(proof) == len(mask) {
			subtle.XORBytes(mask[:], mask[:], proof)
			if sha256.Sum256(mask[:]) == stored {
				then(c)
				hangup(c)
				return
			}
		}
		io.WriteString(c, mysqlSays(head[3]+1, "\xff\x15\x04#28000Access denied for user 'me'"))
		hangup(c)
	}
}

const (
	mysqlDone  = "\x00\x00\x00\x02\x00\x00\x00"
	mysqlKnown = "\x01\x03"
	mysqlAsks  = "\x01\x04" // for the password itself
)

// pings answers a ping.
func pings(c net.Conn) {
	c.Read(make([]byte, 5))
	io.WriteString(c, mysqlSays(1, mysqlDone))
}

// scramServer is a server of PostgreSQL that keeps of the password "secret" what such a
// one keeps, and judges a login in the words of RFC 5802, section 3.
type scramServer struct {
	iterations string // that it asks for; empty: 4096
	impostor   bool   // lets everybody in, and cannot show that it knows the password
}

func (s scramServer) play(c net.Conn) {
	in := func(kind uint32, data string) string {
		return "R" + sized(append(binary.BigEndian.AppendUint32(nil, kind), data...))
	}
	hear := func(head int) string {
		b := make([]byte, head+4)
		if _, err := io.ReadFull(c, b); err != nil {
			return ""
		}
		body := make([]byte, min(binary.BigEndian.Uint32(b[head:])-4, maxLine))
		io.ReadFull(c, body)
		return string(body)
	}
	hear(0)
	io.WriteString(c, in(postgresqlSASL, "SCRAM-SHA-256-PLUS\x00SCRAM-SHA-256\x00\x00"))
	first := hear(1)
	_, bare, ok := strings.Cut(first, "n,,")
	if !ok {
		return
	}
	_, nonce, _ := strings.Cut(bare, "r=")
	salt := []byte("pepper")
	if s.iterations == "" {
		s.iterations = "4096"
	}
	challenge := fmt.Sprintf("r=%sserver,s=%s,i=%s", nonce, base64.StdEncoding.EncodeToString(salt), s.iterations)
	io.WriteString(c, in(postgresqlSASLMore, challenge))
	final, proof, _ := strings.Cut(hear(1), ",p=")
	if s.impostor {
		io.WriteString(c, in(postgresqlSASLFinal, "v=AAAA")+in(postgresqlIn, "")+"Z\x00\x00\x00\x05I")
		return
	}
	salted, _ := pbkdf2.Key(sha256.New, "secret", salt, 4096, 32)
	mac := func(key []byte, text string) []byte {
		h := hmac.New(sha256.New, key)
		h.Write([]byte(text))
		return h.Sum(nil)
	}
	stored := sha256.Sum256(mac(salted, "Client Key"))
	all := bare + "," + challenge + "," + final
	key, _ := base64.StdEncoding.DecodeString(proof)
	if len(key) == 32 {
		subtle.XORBytes(key, key, mac(stored[:], all))
	}
	if sha256.Sum256(key) != stored {
		io.WriteString(c, "E"+sized([]byte("C28P01\x00Mpassword authentication failed\x00\x00")))
		return
	}
	io.WriteString(c, in(postgresqlSASLFinal, "v="+base64.StdEncoding.EncodeToString(mac(mac(salted, "Server Key"), all)))+in(postgresqlIn, "")+
		"S\x00\x00\x00\x08a\x00b\x00"+"Z\x00\x00\x00\x05I")
}

func (s scramServer) peer(c net.Conn) { s.play(c); hangup(c) }

// databases are logins at database servers.
func (s *situations) databases() {
	me := Login{User: "me", Password: "secret"}
	wrong := Login{User: "me", Password: "wrong"}
	secure := TLS{Enabled: true, Roots: s.ca.pem}
	inTLS := func(p peer) peer { return s.ca.serves(s.t, p, -time.Hour, time.Hour, nil) }
	says := func(packets ...string) func(net.Conn) {
		return func(c net.Conn) { io.WriteString(c, strings.Join(packets, "")); pings(c) }
	}
	mysql := func(l Login) Options { return Options{Type: "mysql", Login: l, Database: "shop"} }
	s.add("mysql", "logs in", mysql(me), mysqlServer(mysqlCaching, says(mysqlSays(2, mysqlKnown), mysqlSays(3, mysqlDone))))
	s.add("mysql", "wrong password", mysql(wrong), mysqlServer(mysqlCaching, says()))
	s.add("mysql", "no such database", mysql(me), mysqlServer(mysqlCaching, says(mysqlSays(2, "\xff\x19\x04#42000Unknown database 'shop'"))))
	s.add("mysql", "wants it in the clear", mysql(me), mysqlServer(mysqlCaching, says(mysqlSays(2, mysqlAsks))))
	s.add("mysql", "another way", mysql(me), talks(mysqlHello(mysqlNative), mysqlSays(2, "\xfe"+mysqlCaching+"\x00"+mysqlTestNonce+"\x00"), mysqlSays(4, mysqlKnown)+mysqlSays(5, mysqlDone), mysqlSays(1, mysqlDone)))
	s.add("mysql", "a way not spoken", mysql(me), talks(mysqlHello(mysqlNative), mysqlSays(2, "\xfemysql_clear_password\x00")))
	s.add("mysql", "no end of ways", mysql(me), func(c net.Conn) {
		io.WriteString(c, mysqlHello(mysqlNative))
		for i := byte(2); i < 40; i += 2 {
			c.Read(make([]byte, 4096))
			io.WriteString(c, mysqlSays(i, "\xfe"+mysqlNative+"\x00"+mysqlTestNonce+"\x00"))
		}
		hangup(c)
	})
	s.add("mysql", "short nonce", mysql(me), talks(mysqlHello(mysqlNative), mysqlSays(2, "\xfe"+mysqlNative+"\x00abc\x00")))
	s.add("mysql", "ill when pinged", mysql(me), talks(mysqlHello(mysqlNative), mysqlSays(2, mysqlDone), mysqlSays(1, "\xff\x1d\x04#08S01Server shutdown in progress")))
	s.add("mysql", "out of order", mysql(me), talks(mysqlHello(mysqlNative), mysqlSays(7, mysqlDone)))
	s.add("mysql", "too old", mysql(me), greets(mysqlSays(0, "\x0a4.0.1\x00")))
	s.add("mysql", "no tls", Options{Type: "mysql", TLS: secure}, greets("\x08\x00\x00\x00\x0a8.0.36\x00"))
	s.add("mysql", "in tls", Options{Type: "mysql", TLS: secure}, func(c net.Conn) {
		io.WriteString(c, mysqlHello(mysqlCaching))
		io.ReadFull(c, make([]byte, 36))
		inTLS(hangup)(c)
	})
	s.add("mysql", "logs in in tls", Options{Type: "mysql", Login: me, TLS: secure}, func(c net.Conn) {
		io.WriteString(c, mysqlHello(mysqlCaching))
		io.ReadFull(c, make([]byte, 36))
		inTLS(talks("", mysqlSays(3, mysqlAsks), mysqlSays(5, mysqlDone), mysqlSays(1, mysqlDone)))(c)
	})

	postgresql := func(l Login) Options { return Options{Type: "postgresql", Login: l, Database: "shop"} }
	const ready = "R\x00\x00\x00\x08\x00\x00\x00\x00S\x00\x00\x00\x08a\x00b\x00Z\x00\x00\x00\x05I"
	failure := func(fields string) string { return "E" + sized([]byte(fields)) }
	s.add("postgresql", "scram", postgresql(me), scramServer{}.peer)
	s.add("postgresql", "wrong password", postgresql(wrong), scramServer{}.peer)
	s.add("postgresql", "impostor", postgresql(me), scramServer{impostor: true}.peer)
	s.add("postgresql", "endless work", postgresql(me), scramServer{iterations: "2000000000"}.peer)
	s.add("postgresql", "another mechanism", postgresql(me), talks("", "R\x00\x00\x00\x0e\x00\x00\x00\x0aPLAIN\x00"))
	s.add("postgresql", "skips the proof", postgresql(me), talks("", "R\x00\x00\x00\x17\x00\x00\x00\x0aSCRAM-SHA-256\x00\x00", ready))
	s.add("postgresql", "md5", postgresql(me), talks("", "R\x00\x00\x00\x0c\x00\x00\x00\x05salt", ready))
	s.add("postgresql", "trusts", postgresql(me), talks("", ready))
	s.add("postgresql", "wants it in the clear", postgresql(me), talks("", "R\x00\x00\x00\x08\x00\x00\x00\x03"))
	s.add("postgresql", "no such database", postgresql(me), talks("", "R\x00\x00\x00\x08\x00\x00\x00\x00"+failure("C3D000\x00Mdatabase \"shop\" does not exist\x00\x00")))
	s.add("postgresql", "stops short", postgresql(me), talks("", "R\x00\x00\x00\x08\x00\x00\x00\x00"))
	s.add("postgresql", "flood of notices", postgresql(me), func(c net.Conn) {
		io.WriteString(c, "R\x00\x00\x00\x08\x00\x00\x00\x00")
		floods("N\x00\x00\x00\x04")(c)
	})
	s.add("postgresql", "clear text in tls", Options{Type: "postgresql", Login: me, TLS: secure}, func(c net.Conn) {
		script{"", []string{"S"}}.play(c)
		inTLS(talks("", "R\x00\x00\x00\x08\x00\x00\x00\x03", ready))(c)
	})
}

// TestMD5Login: the answer to the salt of a login by MD5, byte for byte.
func TestMD5Login(t *testing.T) {
	client, server := net.Pipe()
	defer client.Close()
	defer server.Close()
	said := make(chan string, 1)
	go func() {
		b := make([]byte, 4096)
		n, _ := server.Read(b)
		said <- string(b[:n])
		server.Close()
	}()
	newTalkOn(client).postgresqlLogin(Login{User: "md5_user", Password: "password"}, []byte("\x00\x00\x00\x05\x2a\x3d\x8f\xe0"))
	if got, want := <-said, "p\x00\x00\x00\x28md562af4dd09bbb41884907a838a3233294\x00"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestNativeLogin: what a server of MySQL before version 8 finds in our answer: the hash
// of the hash of the password, which is all that it keeps.
func TestNativeLogin(t *testing.T) {
	const stored = "14E65567ABDB5135D0CFD9A70B3032C179A49EE7" // SELECT PASSWORD('secret')
	kept, _ := hex.DecodeString(stored)
	mask := sha1.Sum(append([]byte(mysqlTestNonce), kept...))
	proof := mysqlProof(mysqlNative, "secret", []byte(mysqlTestNonce))
	subtle.XORBytes(mask[:], mask[:], proof)
	if got := fmt.Sprintf("%X", sha1.Sum(mask[:])); got != stored {
		t.Errorf("%s, want %s", got, stored)
	}
}

// FuzzMySQLLogin: no words but an OK let us in and answer a ping.
func FuzzMySQLLogin(f *testing.F) {
	hello := mysqlHello(mysqlCaching)
	fuzzTalk(f, Options{Type: "mysql", Login: Login{User: "me", Password: "x"}}, []string{"\x00\x00\x01\x00"},
		hello+mysqlSays(2, mysqlKnown)+mysqlSays(3, mysqlDone)+mysqlSays(1, mysqlDone), hello+mysqlSays(2, mysqlAsks), hello+mysqlSays(2, "\xfe"),
		hello+mysqlSays(2, "\xfe"+mysqlNative+"\x00"+mysqlTestNonce+"\x00")+mysqlSays(4, "\xff\x15\x04#28000no"), hello+mysqlSays(2, "\xff"), mysqlSays(0, "\x0a8\x00"+strings.Repeat("\xff", 40)))
}

// FuzzPostgreSQLLogin: only a server that is ready for a query is well.
func FuzzPostgreSQLLogin(f *testing.F) {
	fuzzTalk(f, Options{Type: "postgresql", Login: Login{User: "me", Password: "x"}}, []string{"z\x00\x00"},
		"R\x00\x00\x00\x0c\x00\x00\x00\x05saltR\x00\x00\x00\x08\x00\x00\x00\x00Z\x00\x00\x00\x05I", "R\x00\x00\x00\x17\x00\x00\x00\x0aSCRAM-SHA-256\x00\x00R\x00\x00\x00\x08\x00\x00\x00\x0b",
		"R\x00\x00\x00\x05\x00", "R\x00\x00\x00\x08\x00\x00\x00\x00E\x00\x00\x00\x06C\x00", "R\x00\x00\x00\x08\x00\x00\x00\x03")
}

// FuzzSCRAM: whatever a server asks, we never take it at its word: a challenge without our
// nonce is refused, and no proof but the right one is believed.
func FuzzSCRAM(f *testing.F) {
	for _, s := range []string{"r=NONCEx,s=c2FsdA==,i=1", "r=NONCE,s=c2FsdA==,i=1", "r=NONCEx,s=,i=1", "r=NONCEx,s=c2FsdA==,i=99999999999999999999", "r=,s=,i=", "m=x,r=NONCEx,s=c2FsdA==,i=1", ""} {
		f.Add(s, "v=")
	}
	f.Fuzz(func(t *testing.T, challenge, final string) {
		if _, _, iterations, err := parseChallenge(challenge); err == nil && iterations > 1000 {
			return // right, and slow
		}
		s := &scram{password: "x", nonce: "NONCE"}
		answer, err := s.answer(challenge)
		if err != nil {
			return
		}
		if !strings.HasPrefix(challenge, "r=NONCE") || !strings.HasPrefix(answer, "c=biws,r=NONCE") {
			t.Errorf("%q: %q", challenge, answer)
		}
		if s.verify(final) == nil {
			t.Errorf("%q is believed", final)
		}
	})
}
