package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/lbha/lbha/cmd/internal/ipvsctl"
	"github.com/lbha/lbha/ipvs"
)

// editFlags are ipvsadm's options for one service, or one server of it.
type editFlags struct {
	serviceFlags
	server string

	scheduler   string
	persistence string
	netmask     string
	flags       string
	onePacket   bool
	engine      string

	forward        map[ipvs.Forward]*bool
	weight         uint32
	upper, lower   uint32
	tunnelType     ipvs.TunnelType
	tunnelPort     uint16
	tunnelChecksum map[ipvs.TunnelChecksum]*bool

	dryRun bool
}

// emergency ends the help of the three.
const emergency = "It is for emergencies; lasting changes belong in the configuration.\n" + anyDrift

const defaultPersistence = "360" // of ipvsadm's -p without a number

// The options that belong to a service, and those that belong to a server.
var (
	serviceOptions = []string{"scheduler", "persistent", "netmask", "sched-flags", "ops", "pe"}
	serverOptions  = []string{"gatewaying", "masquerading", "ipip", "weight", "u-threshold", "l-threshold", "tun-type", "tun-port", "tun-nocsum", "tun-csum", "tun-remcsum"}
)

// bindTarget binds what names the thing.
func (e *editFlags) bindTarget(fs *pflag.FlagSet) {
	e.serviceFlags.bind(fs)
	fs.StringVarP(&e.server, "real-server", "r", "", "the real server `ADDRESS[:PORT]` of the service; the port is that of the service")
	fs.BoolVar(&e.dryRun, "dry-run", false, "print the operation, and do nothing")
}

// bindValues binds what the thing can have.
func (e *editFlags) bindValues(fs *pflag.FlagSet) {
	fs.SortFlags = false
	fs.StringVarP(&e.scheduler, "scheduler", "s", "", "service: `NAME` of rr wrr lc wlc lblc lblcr dh sh mh sed nq fo ovf twos")
	fs.StringVarP(&e.persistence, "persistent", "p", "", "service: bind clients for so many `SECONDS`; 0: do not")
	fs.Lookup("persistent").NoOptDefVal = defaultPersistence
	fs.StringVarP(&e.netmask, "netmask", "M", "", "service: bind clients by `MASK` (255.255.255.0) or length of prefix")
	fs.StringVarP(&e.flags, "sched-flags", "b", "", "service: `FLAGS` sh-port,sh-fallback mh-port,mh-fallback or flag-1,flag-2,flag-3; none")
	fs.BoolVarP(&e.onePacket, "ops", "o", false, "service: schedule each packet by itself (UDP)")
	fs.StringVar(&e.engine, "pe", "", "service: persistence `ENGINE`: sip; none")

	e.forward = map[ipvs.Forward]*bool{
		ipvs.DR:  fs.BoolP("gatewaying", "g", false, "server: direct routing"),
		ipvs.NAT: fs.BoolP("masquerading", "m", false, "server: NAT"),
		ipvs.TUN: fs.BoolP("ipip", "i", false, "server: tunnel"),
	}
	fs.Uint32VarP(&e.weight, "weight", "w", 0, "server: `SHARE` of new connections; 0: none")
	fs.Uint32VarP(&e.upper, "u-threshold", "x", 0, "server: no new connections from `COUNT` on; 0: no limit")
	fs.Uint32VarP(&e.lower, "l-threshold", "y", 0, "server: new connections again below `COUNT`")
	fs.TextVar(&e.tunnelType, "tun-type", ipvs.IPIP, "server: `TYPE` ipip, gue or gre of the tunnel")
	fs.Lookup("tun-type").DefValue = "" // edit leaves it
	fs.Uint16Var(&e.tunnelPort, "tun-port", 0, "server: UDP `PORT` of a gue tunnel")
	e.tunnelChecksum = map[ipvs.TunnelChecksum]*bool{
		ipvs.NoChecksum:     fs.Bool("tun-nocsum", false, "server: no checksum in the tunnel"),
		ipvs.Checksum:       fs.Bool("tun-csum", false, "server: checksum in the tunnel (gue, gre)"),
		ipvs.RemoteChecksum: fs.Bool("tun-remcsum", false, "server: remote checksum in the tunnel (gue)"),
	}
}

// target returns the service and, if one is named, the server.
func (e *editFlags) target(args []string, ports ipvsctl.Ports) (k ipvs.Key, a netip.AddrPort, err error) {
	if k, err = e.key(args, ports); err == nil && e.server != "" {
		a, err = ipvsctl.ServerAddress(k, e.server, ports)
	}
	return k, a, err
}

// takePersistence takes the number of seconds from the arguments. ipvsadm's -p may have its number as the next word, or none; pflag
// knows that as -p=300 only, and leaves the word among the arguments.
func (e *editFlags) takePersistence(fs *pflag.FlagSet, args []string) []string {
	if !fs.Changed("persistent") || e.persistence != defaultPersistence {
		return args
	}
	i := slices.IndexFunc(args, func(s string) bool { _, err := strconv.Atoi(s); return err == nil })
	if i < 0 {
		return args
	}
	e.persistence = args[i]
	return slices.Delete(slices.Clone(args), i, i+1)
}

// belong refuses options that belong to the other kind of thing: ipvsadm would not do what was meant either.
func (e *editFlags) belong(fs *pflag.FlagSet) error {
	wrong, advice := serverOptions, "a server: name it with -r"
	if e.server != "" {
		wrong, advice = serviceOptions, "the service: leave out -r"
	}
	for _, name := range wrong {
		if fs.Changed(name) {
			return fmt.Errorf("--%s belongs to %s", name, advice)
		}
	}
	return nil
}

func (e *editFlags) serviceChange(fs *pflag.FlagSet) (ipvsctl.ServiceChange, error) {
	scheduler := ipvs.Scheduler(e.scheduler)
	c := ipvsctl.ServiceChange{
		Scheduler: given(fs, "scheduler", &scheduler),
		Netmask:   given(fs, "netmask", &e.netmask),
		OnePacket: given(fs, "ops", &e.onePacket),
		Engine:    given(fs, "pe", &e.engine),
	}
	if e.engine == "none" {
		e.engine = ""
	}
	if fs.Changed("persistent") {
		seconds, err := strconv.ParseUint(e.persistence, 10, 31)
		if err != nil {
			return c, fmt.Errorf("-p %q: want a number of seconds", e.persistence)
		}
		d := time.Duration(seconds) * time.Second
		c.Persistence = &d
	}
	if fs.Changed("sched-flags") {
		c.Flags = &[]string{}
		if e.flags != "none" && e.flags != "" {
			*c.Flags = strings.Split(e.flags, ",")
		}
	}
	return c, nil
}

func (e *editFlags) serverChange(fs *pflag.FlagSet) (ipvsctl.ServerChange, error) {
	weight := ipvs.Weight(e.weight)
	c := ipvsctl.ServerChange{
		Weight:     given(fs, "weight", &weight),
		Upper:      given(fs, "u-threshold", &e.upper),
		Lower:      given(fs, "l-threshold", &e.lower),
		TunnelType: given(fs, "tun-type", &e.tunnelType),
		TunnelPort: given(fs, "tun-port", &e.tunnelPort),
	}
	var err error
	if c.Forward, err = chosen(e.forward); err != nil {
		return c, errors.New("want one of -g, -m and -i")
	}
	if c.TunnelChecksum, err = chosen(e.tunnelChecksum); err != nil {
		return c, errors.New("want one of --tun-nocsum, --tun-csum and --tun-remcsum")
	}
	return c, nil
}

// given returns the value of a flag that was given, else nil.
func given[T any](fs *pflag.FlagSet, name string, value *T) *T {
	if !fs.Changed(name) {
		return nil
	}
	return value
}

// chosen returns the value whose flag is set, nil if none is; two are an error.
func chosen[T comparable](flags map[T]*bool) (*T, error) {
	var choice *T
	for value, set := range flags {
		if !*set {
			continue
		}
		if choice != nil {
			return nil, errors.New("more than one")
		}
		choice = &value
	}
	return choice, nil
}

// single runs one op on the kernel: decide makes it from the table.
func (t *ipvsTool) single(cmd *cobra.Command, dryRun bool, decide func(ipvs.Table) (ipvs.Op, error)) error {
	return t.with(cmd, func(ctx context.Context, k ipvsctl.Kernel) error {
		snap, err := k.List(ctx)
		if err != nil {
			return err
		}
		op, err := decide(snap.Table)
		if err != nil {
			return err
		}
		ops := []ipvs.Op{op}
		if ipvsctl.NoOp(op) {
			ops = []ipvs.Op{}
		}
		r := ipvsctl.Result{Operations: ops, DryRun: true}
		if !dryRun {
			if r, err = ipvsctl.Carry(ctx, k, ops); err != nil {
				return err
			}
		}
		return t.report(cmd, r, func(out io.Writer) error {
			if len(ops) == 0 {
				_, err := fmt.Fprintln(out, "it is so already: nothing to do")
				return err
			}
			if len(r.Refused) > 0 {
				return nil
			}
			return printOps(out, ops)
		})
	})
}

// change runs add or edit.
func (t *ipvsTool) change(cmd *cobra.Command, args []string, e *editFlags,
	service func(ipvs.Table, ipvs.Key, ipvsctl.ServiceChange) (ipvs.Op, error),
	server func(ipvs.Table, ipvs.Key, netip.AddrPort, ipvsctl.ServerChange) (ipvs.Op, error)) error {
	fs := cmd.Flags()
	k, a, err := e.target(e.takePersistence(fs, args), t.ports)
	if err != nil {
		return err
	}
	if err := e.belong(fs); err != nil {
		return err
	}
	sc, err := e.serviceChange(fs)
	if err != nil {
		return err
	}
	rc, err := e.serverChange(fs)
	if err != nil {
		return err
	}
	return t.single(cmd, e.dryRun, func(table ipvs.Table) (ipvs.Op, error) {
		if a.IsValid() {
			return server(table, k, a, rc)
		}
		return service(table, k, sc)
	})
}

func (t *ipvsTool) add() *cobra.Command {
	var e editFlags
	cmd := &cobra.Command{
		Use: "add SERVICE [-r SERVER]", Short: "Add a service, or with -r a real server to it",
		Long: "add takes ipvsadm's options and its defaults: -s wlc, -g, -w 1.\n" + emergency,
		Example: "  lbha ipvs add -t 10.9.0.100:80 -s wrr -p 300\n" +
			"  lbha ipvs add -t 10.9.0.100:80 -r 10.9.0.3:8080 -m -w 2",
		RunE: func(cmd *cobra.Command, args []string) error {
			return t.change(cmd, args, &e, ipvsctl.AddService, ipvsctl.AddServer)
		},
	}
	e.bindTarget(cmd.Flags())
	e.bindValues(cmd.Flags())
	return cmd
}

func (t *ipvsTool) edit() *cobra.Command {
	var e editFlags
	cmd := &cobra.Command{
		Use: "edit SERVICE [-r SERVER]", Short: "Change a service, or with -r a real server of it",
		Long: "edit changes what is said, and leaves the rest as it is (ipvsadm's -E and -e reset it). Connections are kept.\n" +
			emergency,
		Example: "  lbha ipvs edit -t 10.9.0.100:80 -r 10.9.0.3 -w 0     # no new connections\n" +
			"  lbha ipvs edit tcp/10.9.0.100:80 -s wlc -p 0         # another scheduler, no persistence",
		RunE: func(cmd *cobra.Command, args []string) error {
			return t.change(cmd, args, &e, ipvsctl.EditService, ipvsctl.EditServer)
		},
	}
	e.bindTarget(cmd.Flags())
	e.bindValues(cmd.Flags())
	return cmd
}

func (t *ipvsTool) delete() *cobra.Command {
	var e editFlags
	cmd := &cobra.Command{
		Use: "delete SERVICE [-r SERVER]", Short: "Delete a service and its servers, or with -r one real server",
		Long: "delete breaks the open connections of what it deletes; to let them end, set the weight to 0 first (edit -w 0).\n" +
			emergency,
		Example: "  lbha ipvs delete -t 10.9.0.100:80 -r 10.9.0.3",
		RunE: func(cmd *cobra.Command, args []string) error {
			k, a, err := e.target(args, t.ports)
			if err != nil {
				return err
			}
			return t.single(cmd, e.dryRun, func(table ipvs.Table) (ipvs.Op, error) {
				if a.IsValid() {
					return ipvsctl.DeleteServer(table, k, a)
				}
				return ipvsctl.DeleteService(table, k)
			})
		},
	}
	e.bindTarget(cmd.Flags())
	return cmd
}
