package probe

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/lbha/lbha/healthcheck"
)

// A phase is what a probe was at when it ended; it stands in the result.
type phase string

const (
	phaseConnect phase = "connect"
	phaseTLS     phase = "tls handshake"
	phaseRequest phase = "request"
	phaseHeader  phase = "response header"
	phaseBody    phase = "response body"
	phaseBanner  phase = "banner" // what a server says unasked
	phaseAnswer  phase = "answer"

	phaseStartTLS phase = "starttls" // what begins TLS in a protocol
)

// A wrong is an answer that is not the one of a healthy server, as an error: it
// ends a conversation, and says all that its result is to say.
type wrong struct {
	failure healthcheck.Failure
	detail  string
}

func (w *wrong) Error() string { return w.detail }

func wrongf(f healthcheck.Failure, format string, args ...any) error {
	return &wrong{f, fmt.Sprintf(format, args...)}
}

// failed turns the error that ended a probe into its result. start is when the
// probe began.
func failed(ctx context.Context, start time.Time, at phase, err error) healthcheck.Result {
	if errors.Is(err, errLocal) {
		return healthcheck.Failed(healthcheck.FailureLocal, strings.TrimPrefix(err.Error(), errLocal.Error()+": "))
	}
	if w, ok := errors.AsType[*wrong](err); ok {
		return healthcheck.Failed(w.failure, w.detail)
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return healthcheck.Failed(healthcheck.FailureCanceled, "canceled in "+string(at))
	}
	f, detail := classify(at, err)
	if f == healthcheck.FailureTimeout {
		detail = fmt.Sprintf("timeout in %s after %v", at, rounded(time.Since(start)))
	}
	return healthcheck.Failed(f, detail)
}

// classify finds the failure that an error stands for, and words for it.
func classify(at phase, err error) (healthcheck.Failure, string) {
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) {
		return healthcheck.FailureTimeout, ""
	}
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		return classifyErrno(at, errno)
	}
	closed := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
	switch {
	case closed && at == phaseBody:
		return healthcheck.FailureBody, "closed in " + string(at)
	case closed:
		return healthcheck.FailureReset, "closed in " + string(at)
	case at == phaseTLS || isAlert(err): // an alert on our handshake may come after it
		return healthcheck.FailureTLS, describeTLS(err)
	case at == phaseConnect:
		return healthcheck.FailureConnect, err.Error()
	}
	return healthcheck.FailureProtocol, err.Error()
}

// classifyErrno is classify for errors of the kernel.
func classifyErrno(at phase, errno syscall.Errno) (healthcheck.Failure, string) {
	detail := errno.Error()
	switch errno {
	case syscall.ECONNREFUSED:
		return healthcheck.FailureRefused, detail
	case syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.EHOSTDOWN, syscall.ENETDOWN:
		return healthcheck.FailureUnreachable, detail
	case syscall.ECONNRESET, syscall.ECONNABORTED, syscall.EPIPE:
		return healthcheck.FailureReset, "connection reset in " + string(at)
	case syscall.ETIMEDOUT: // the kernel gave up before us
		return healthcheck.FailureTimeout, ""
	case syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.ENOBUFS, // descriptors, memory
		syscall.EADDRNOTAVAIL, syscall.EADDRINUSE, syscall.EAGAIN, // ports
		syscall.EPERM, syscall.EACCES: // our own firewall, a route of type prohibit
		return healthcheck.FailureLocal, fmt.Sprintf("%s: %s", at, detail)
	}
	return healthcheck.FailureConnect, fmt.Sprintf("%s: %s", at, detail)
}

// describeTLS says in plain words what is wrong with a handshake.
func describeTLS(err error) string {
	if e, ok := errors.AsType[x509.CertificateInvalidError](err); ok && e.Reason == x509.Expired && e.Cert != nil {
		const day = "2006-01-02"
		if time.Now().Before(e.Cert.NotBefore) {
			return "certificate is not valid before " + e.Cert.NotBefore.UTC().Format(day)
		}
		return "certificate expired on " + e.Cert.NotAfter.UTC().Format(day)
	}
	if e, ok := errors.AsType[x509.HostnameError](err); ok {
		return fmt.Sprintf("certificate is not for %s but for %s", e.Host, certificateNames(e.Certificate))
	}
	if e, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		issuer := ""
		if e.Cert != nil {
			issuer = " " + e.Cert.Issuer.String()
		}
		return "certificate is signed by an authority that is not trusted:" + issuer
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return "the server does not speak TLS"
	}
	if isAlert(err) {
		return "the server refused the handshake: " + strings.TrimPrefix(err.Error(), "remote error: tls: ")
	}
	return strings.TrimPrefix(err.Error(), "tls: ")
}

// isAlert reports whether the server ended the TLS session with an error.
func isAlert(err error) bool {
	e, ok := errors.AsType[*net.OpError](err)
	return ok && e.Op == "remote error"
}

// certificateNames lists the names of a certificate; what is too long of it is cut
// off with the detail.
func certificateNames(c *x509.Certificate) string {
	var list []string
	if c != nil {
		list = append(list, c.DNSNames...)
		for _, ip := range c.IPAddresses {
			list = append(list, ip.String())
		}
	}
	if len(list) == 0 {
		return "no name at all"
	}
	return strings.Join(list[:min(len(list), 8)], ", ")
}

// rounded leaves of a duration what people read.
func rounded(d time.Duration) time.Duration {
	switch {
	case d >= 10*time.Millisecond:
		return d.Round(time.Millisecond)
	case d >= time.Millisecond:
		return d.Round(100 * time.Microsecond)
	}
	return d.Round(10 * time.Microsecond)
}
