package probe

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/lbha/lbha/healthcheck"
)

// maxGRPCService bounds the name of a service, in bytes.
const maxGRPCService = 127 // its length is one byte, then

// A grpcProber asks the health service of a gRPC server (grpc.health.v1.Health), over
// HTTP/2 in the clear or in TLS.
type grpcProber struct {
	dialer dialer
	tls    *tlsClient
	url    *url.URL
	host   string
	body   string
}

func newGRPC(d dialer, o Options) (*grpcProber, error) {
	switch {
	case len(o.GRPC.Service) > maxGRPCService:
		return nil, fmt.Errorf("the name of the grpc service has %d bytes, at most %d", len(o.GRPC.Service), maxGRPCService)
	case !isVisible(o.HTTP.Host) || strings.ContainsAny(o.HTTP.Host, "/@?#"):
		return nil, fmt.Errorf("bad host %.100q", o.HTTP.Host)
	}
	d.noDelay = true
	p := &grpcProber{
		dialer: d,
		url:    &url.URL{Scheme: "http", Host: d.target.String(), Path: "/grpc.health.v1.Health/Check"},
		host:   o.HTTP.Host,
	}
	// HealthCheckRequest: field 1, the name, as a string.
	request := ""
	if n := len(o.GRPC.Service); n > 0 {
		request = "\x0a" + string(rune(n)) + o.GRPC.Service
	}
	p.body = "\x00" + string(binary.BigEndian.AppendUint32(nil, uint32(len(request)))) + request
	if o.TLS.Enabled {
		var err error
		p.url.Scheme = "https"
		p.tls, err = newTLSClient(o.TLS, hostOnly(o.HTTP.Host), "h2")
		return p, err
	}
	return p, nil
}

func (p *grpcProber) Probe(ctx context.Context) healthcheck.Result {
	start := time.Now()
	c, err := p.dialer.dial(ctx)
	if err != nil {
		return failed(ctx, start, phaseConnect, err)
	}
	defer c.Close()
	bound := &boundedConn{Conn: c, most: maxTalk}
	var on net.Conn = bound
	if p.tls != nil {
		secure, err := p.tls.handshake(bound)
		if err != nil {
			return failed(ctx, start, phaseTLS, err)
		}
		if secure.ConnectionState().NegotiatedProtocol != "h2" {
			return failed(ctx, start, phaseTLS, errNotHTTP2)
		}
		on = secure
	}
	if at, err := p.ask(ctx, on); err != nil {
		return failed(ctx, start, at, bound.cause(ctx, err))
	}
	return healthcheck.Passed("grpc serving in " + rounded(time.Since(start)).String())
}

// ask makes the call on a connection that stands.
func (p *grpcProber) ask(ctx context.Context, on net.Conn) (phase, error) {
	return http2(ctx, on, &http.Request{
		Method: "POST", URL: p.url, Host: p.host,
		Header:        http.Header{"Content-Type": {"application/grpc"}, "Te": {"trailers"}, "User-Agent": {"lbha"}},
		Body:          io.NopCloser(strings.NewReader(p.body)),
		ContentLength: int64(len(p.body)),
	}, p.judge)
}

// judge judges an answer whose header has been read.
func (p *grpcProber) judge(response *http.Response) (phase, error) {
	if response.StatusCode != http.StatusOK || !strings.HasPrefix(response.Header.Get("Content-Type"), "application/grpc") {
		return phaseHeader, wrongf(healthcheck.FailureProtocol, "no grpc server: http %d, %.40q", response.StatusCode, response.Header.Get("Content-Type"))
	}
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return phaseBody, err
	}
	trailer := response.Trailer
	if response.Header.Get("Grpc-Status") != "" { // an answer without content has but one header
		trailer = response.Header
	}
	return phaseBody, judgeGRPC(trailer.Get("Grpc-Status"), trailer.Get("Grpc-Message"), body)
}

// judgeGRPC says what the status of a call and its message mean.
func judgeGRPC(status, message string, body []byte) error {
	switch status {
	case "0":
	case "":
		return wrongf(healthcheck.FailureProtocol, "grpc answer without a status")
	case "5":
		return wrongf(healthcheck.FailureStatus, "grpc status 5: the health service does not know the service: %s", message)
	case "12":
		return wrongf(healthcheck.FailureStatus, "grpc status 12: the server has no health service: %s", message)
	default:
		return wrongf(healthcheck.FailureStatus, "grpc status %.10s: %s", status, message)
	}
	serving, err := servingStatus(body)
	if err != nil {
		return wrongf(healthcheck.FailureProtocol, "grpc answer is malformed: %v", err)
	}
	if names := [...]string{"UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"}; serving != 1 {
		if serving < uint64(len(names)) {
			return wrongf(healthcheck.FailureStatus, "grpc %s, want SERVING", names[serving])
		}
		return wrongf(healthcheck.FailureStatus, "grpc serving status %d, want SERVING", serving)
	}
	return nil
}

var errMalformed = errors.New("not a HealthCheckResponse")

// servingStatus reads field 1 of the one message in the body, a HealthCheckResponse
// in the encoding of protocol buffers.
func servingStatus(body []byte) (status uint64, err error) {
	if len(body) < 5 || body[0] != 0 || uint64(binary.BigEndian.Uint32(body[1:])) != uint64(len(body)-5) {
		return 0, errMalformed
	}
	for m := body[5:]; len(m) > 0; {
		tag, n := binary.Uvarint(m)
		if n <= 0 {
			return 0, errMalformed
		}
		m = m[n:]
		value, n := binary.Uvarint(m)
		if n <= 0 {
			return 0, errMalformed
		}
		m = m[n:]
		switch wire := tag & 7; {
		case wire == 0:
			if tag>>3 == 1 {
				status = value
			}
		case wire == 2 && value <= uint64(len(m)): // a field of a later version: passed over
			m = m[value:]
		default:
			return 0, errMalformed
		}
	}
	return status, nil
}
