package config

import (
	"slices"
	"strings"

	"github.com/lbha/lbha/healthcheck"
)

// Which types of check have what.
var (
	webChecks    = []healthcheck.Type{healthcheck.TypeHTTP, healthcheck.TypeHTTPS}
	hostChecks   = append(slices.Clone(webChecks), healthcheck.TypeGRPC, healthcheck.TypeSIP)
	statusChecks = append(slices.Clone(webChecks), healthcheck.TypeSIP)
	eitherChecks = []healthcheck.Type{healthcheck.TypeDNS, healthcheck.TypeSIP} // over UDP or TCP
	// A name needs a password, and a password a name.
	passwordChecks = []healthcheck.Type{healthcheck.TypeRedis, healthcheck.TypeLDAP, healthcheck.TypeIMAP, healthcheck.TypePOP3}
	nameChecks     = []healthcheck.Type{healthcheck.TypeLDAP, healthcheck.TypeIMAP, healthcheck.TypePOP3, healthcheck.TypeFTP, healthcheck.TypeRADIUS,
		healthcheck.TypeMySQL, healthcheck.TypePostgreSQL}
	upgradeTLS   = []healthcheck.Type{healthcheck.TypeSMTP, healthcheck.TypeLDAP, healthcheck.TypeIMAP, healthcheck.TypePOP3, healthcheck.TypeFTP}
	talkChecks   = []healthcheck.Type{healthcheck.TypeTCP, healthcheck.TypeTLS, healthcheck.TypeUDP}
	sendChecks   = append(slices.Clone(talkChecks), healthcheck.TypeAgent)
	secretChecks = append(slices.Clone(webChecks), healthcheck.TypeRedis, healthcheck.TypeLDAP, healthcheck.TypeIMAP, healthcheck.TypePOP3, healthcheck.TypeFTP,
		healthcheck.TypeRADIUS, healthcheck.TypeMySQL, healthcheck.TypePostgreSQL)
	databaseChecks = []healthcheck.Type{healthcheck.TypeMySQL, healthcheck.TypePostgreSQL}
	tlsChecks      = []healthcheck.Type{
		healthcheck.TypeTLS, healthcheck.TypeHTTPS, healthcheck.TypeGRPC, healthcheck.TypeSMTP, healthcheck.TypeRedis,
		healthcheck.TypeMySQL, healthcheck.TypePostgreSQL, healthcheck.TypeIMAP, healthcheck.TypePOP3, healthcheck.TypeFTP,
		healthcheck.TypeLDAP, healthcheck.TypeSIP,
	}
	// The rest probes nothing over the network.
	networkChecks = without(healthcheck.Types(), healthcheck.TypeScript, healthcheck.TypeFile)
	throughChecks = without(networkChecks, healthcheck.TypeICMP) // IPVS forwards echoes by no mark
	portChecks    = without(healthcheck.Types(), healthcheck.TypeFile, healthcheck.TypeICMP)
)

func without(types []healthcheck.Type, some ...healthcheck.Type) []healthcheck.Type {
	return slices.DeleteFunc(types, func(t healthcheck.Type) bool { return slices.Contains(some, t) })
}

// foreignKeys reports keys that mean nothing to the type of check.
func (b *builder) foreignKeys(raw *rawCheck, t healthcheck.Type) {
	only := func(t healthcheck.Type) []healthcheck.Type { return []healthcheck.Type{t} }
	for _, k := range []struct {
		at    *node
		types []healthcheck.Type
	}{
		{raw.Port.Node, portChecks},
		{raw.Source.Node, networkChecks},
		{raw.Interface.Node, networkChecks},
		{raw.Mark.Node, networkChecks},
		{raw.Through.Node, throughChecks},
		{raw.TLS.place(), tlsChecks},
		{raw.Method.Node, webChecks},
		{raw.Path.Node, webChecks},
		{raw.Host.Node, hostChecks},
		{raw.Headers.Node, webChecks},
		{raw.Status.Node, statusChecks},
		{raw.Contains.Node, webChecks},
		{raw.Regex.Node, webChecks},
		{raw.Digest.Node, webChecks},
		{raw.Body.Node, webChecks},
		{raw.HTTPVersion.Node, webChecks},
		{raw.Redirects.Node, webChecks},
		{raw.Requests.Node, webChecks},
		{raw.Username.Node, secretChecks},
		{raw.Password.Node, secretChecks},
		{raw.PasswordFile.Node, secretChecks},
		{raw.Database.Node, databaseChecks},
		{raw.Send.Node, sendChecks},
		{raw.Expect.Node, talkChecks},
		{raw.RequireReply.Node, only(healthcheck.TypeUDP)},
		{raw.Query.Node, only(healthcheck.TypeDNS)},
		{raw.QueryType.Node, only(healthcheck.TypeDNS)},
		{raw.RCode.Node, only(healthcheck.TypeDNS)},
		{raw.Answer.Node, only(healthcheck.TypeDNS)},
		{raw.Protocol.Node, eitherChecks},
		{raw.GRPCService.Node, only(healthcheck.TypeGRPC)},
		{raw.Helo.Node, only(healthcheck.TypeSMTP)},
		{raw.StartTLS.Node, upgradeTLS},
		{raw.Base.Node, only(healthcheck.TypeLDAP)},
		{raw.Secret.Node, only(healthcheck.TypeRADIUS)},
		{raw.SecretFile.Node, only(healthcheck.TypeRADIUS)},
		{raw.Command.Node, only(healthcheck.TypeScript)},
		{raw.User.Node, only(healthcheck.TypeScript)},
		{raw.Dynamic.Node, only(healthcheck.TypeScript)},
		{raw.File.Node, only(healthcheck.TypeFile)},
	} {
		const most = 12 // that are worth to be listed
		switch {
		case k.at == nil || slices.Contains(k.types, t):
		case len(k.types) > most:
			b.error(k.at, "%s: a check of type %s has none", k.at.label(), t)
		default:
			b.error(k.at, "%s: a setting of %s checks, not of %s", k.at.label(), enumerate(k.types), t)
		}
	}
}

// enumerate writes a list as people do: "http, https and grpc".
func enumerate(types []healthcheck.Type) string {
	words := make([]string, len(types))
	for i, t := range types {
		words[i] = string(t)
	}
	if last := len(words) - 1; last > 0 {
		return strings.Join(words[:last], ", ") + " and " + words[last]
	}
	return words[0]
}
