package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"

	"github.com/lbha/lbha/cmd/internal/ipvsctl"
	"github.com/lbha/lbha/ipvs"
	"github.com/lbha/lbha/ipvs/kernel"
)

// ipvsTool is what the subcommands of `lbha ipvs` share.
type ipvsTool struct {
	json        bool
	ports       ipvsctl.Ports
	open        func() ipvsKernel
	connections func() ([]kernel.Connection, error)
}

type ipvsKernel interface {
	ipvsctl.Kernel
	io.Closer
}

// anyDrift ends the help of what changes the table.
const anyDrift = "A running daemon reports a change to what is its own as drift, and undoes it within seconds."

func ipvsCommand() *cobra.Command {
	return (&ipvsTool{
		ports:       ipvsctl.SystemPorts(),
		open:        func() ipvsKernel { return kernel.New(kernel.Options{}) },
		connections: kernel.Connections,
	}).command()
}

func (t *ipvsTool) command() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "ipvs",
		Short: "Show and change the kernel's IPVS table, as ipvsadm does",
		Long: "ipvs works on the kernel of the current network namespace, without a daemon. It needs root.\n\n" +
			"SERVICE is a name as list prints it: tcp/10.9.0.100:80, udp/[2001:db8::1]:53, sctp/10.9.0.100:132, fwmark/10, fwmark/10/ipv6;\n" +
			"or one of ipvsadm's options instead: -t, -u, --sctp-service, -f (with -6). Ports may be names of /etc/services there.\n\n" +
			"Exit status: 0 done, 1 error or something that the kernel refused.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.PersistentFlags().BoolVar(&t.json, "json", false, "print JSON")
	cmd.AddCommand(t.list(), t.stats(), t.rate(), t.connectionsCommand(), t.zero(), t.save(), t.restore(), t.clear(), t.add(), t.edit(), t.delete())
	return cmd
}

// with runs f on the kernel.
func (t *ipvsTool) with(cmd *cobra.Command, f func(ctx context.Context, k ipvsctl.Kernel) error) error {
	k := t.open()
	defer k.Close()
	return ipvsctl.Advise(f(cmd.Context(), k))
}

// print prints a document: as JSON, or as text does it.
func (t *ipvsTool) print(cmd *cobra.Command, document any, text func(io.Writer) error) error {
	if t.json {
		return printJSON(cmd.OutOrStdout(), document)
	}
	return text(cmd.OutOrStdout())
}

// show runs f once, or every second until interrupted, on a screen that is cleared.
func (t *ipvsTool) show(cmd *cobra.Command, watch bool, f func() error) error {
	for {
		if watch && !t.json && isTerminal(cmd.OutOrStdout()) {
			fmt.Fprint(cmd.OutOrStdout(), "\x1b[H\x1b[2J")
		}
		if err := f(); err != nil || !watch {
			return err
		}
		select {
		case <-time.After(time.Second):
		case <-cmd.Context().Done():
			return nil
		}
	}
}

// report prints what came of ops.
func (t *ipvsTool) report(cmd *cobra.Command, r ipvsctl.Result, text func(io.Writer) error) error {
	if err := t.print(cmd, r, text); err != nil {
		return err
	}
	for _, x := range r.Refused {
		if !t.json {
			fmt.Fprintln(cmd.ErrOrStderr(), "lbha:", x)
		}
	}
	if len(r.Refused) > 0 {
		return exit(1)
	}
	return nil
}

// printOps prints ops as rules, one a line.
func printOps(out io.Writer, ops []ipvs.Op) error {
	for _, op := range ops {
		if _, err := fmt.Fprintln(out, op); err != nil {
			return err
		}
	}
	return nil
}

// serviceFlags name services by ipvsadm's options.
type serviceFlags struct {
	tcp, udp, sctp string
	mark           uint32
	six            bool
}

func (s *serviceFlags) bind(fs *pflag.FlagSet) {
	fs.StringVarP(&s.tcp, "tcp-service", "t", "", "the TCP service at `ADDRESS:PORT`")
	fs.StringVarP(&s.udp, "udp-service", "u", "", "the UDP service at `ADDRESS:PORT`")
	fs.StringVar(&s.sctp, "sctp-service", "", "the SCTP service at `ADDRESS:PORT`")
	fs.Uint32VarP(&s.mark, "fwmark-service", "f", 0, "the service of the firewall `MARK`")
	fs.BoolVarP(&s.six, "ipv6", "6", false, "the firewall mark is of IPv6 packets")
}

// keys returns the services that names and options say; none for none.
func (s *serviceFlags) keys(names []string, ports ipvsctl.Ports) ([]ipvs.Key, error) {
	var keys []ipvs.Key
	for _, name := range names {
		k, err := ipvsctl.ParseKey(name)
		if err != nil {
			return nil, err
		}
		keys = append(keys, k)
	}
	for _, o := range []struct {
		protocol ipvs.Protocol
		address  string
	}{{ipvs.TCP, s.tcp}, {ipvs.UDP, s.udp}, {ipvs.SCTP, s.sctp}} {
		if o.address == "" {
			continue
		}
		k, err := ipvsctl.AddressKey(o.protocol, o.address, ports)
		if err != nil {
			return nil, err
		}
		keys = append(keys, k)
	}
	if s.mark != 0 {
		family := ipvs.IPv4
		if s.six {
			family = ipvs.IPv6
		}
		keys = append(keys, ipvs.MarkKey(s.mark, family))
	}
	return keys, nil
}

// key returns the one service that a name or an option says.
func (s *serviceFlags) key(names []string, ports ipvsctl.Ports) (ipvs.Key, error) {
	keys, err := s.keys(names, ports)
	if err == nil && len(keys) != 1 {
		err = fmt.Errorf("want one service, by its name (tcp/10.9.0.100:80) or by -t, -u, --sctp-service or -f, not %d", len(keys))
	}
	if err != nil {
		return ipvs.Key{}, err
	}
	return keys[0], nil
}

// listing makes a command that shows the table, or services of it.
func (t *ipvsTool) listing(use, short, long string, text func(ipvsctl.Listing, io.Writer) error) *cobra.Command {
	var sel serviceFlags
	var watch bool
	cmd := &cobra.Command{
		Use: use + " [SERVICE...]", Short: short, Long: long,
		RunE: func(cmd *cobra.Command, args []string) error {
			keys, err := sel.keys(args, t.ports)
			if err != nil {
				return err
			}
			return t.with(cmd, func(ctx context.Context, k ipvsctl.Kernel) error {
				return t.show(cmd, watch, func() error {
					snap, err := k.List(ctx)
					if err != nil {
						return err
					}
					l, err := ipvsctl.NewListing(snap, keys...)
					if err != nil {
						return err
					}
					return t.print(cmd, l, func(out io.Writer) error { return text(l, out) })
				})
			})
		},
	}
	sel.bind(cmd.Flags())
	cmd.Flags().BoolVar(&watch, "watch", false, "print again every second until interrupted")
	return cmd
}

func (t *ipvsTool) list() *cobra.Command {
	var settings bool
	cmd := t.listing("list", "Show services and real servers, with their connections",
		"list shows all services, or some. ACTIVE and INACTIVE are connections, PERSISTENT are the templates that bind clients: exact at\n"+
			"this moment. --json prints the counters too: the same document as stats and rate.",
		ipvsctl.Listing.WriteTable)
	table := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if !settings {
			return table(cmd, args)
		}
		return t.with(cmd, func(ctx context.Context, k ipvsctl.Kernel) error {
			s, err := ipvsctl.ReadSettings(ctx, k)
			if err != nil {
				return err
			}
			return t.print(cmd, s, s.Write)
		})
	}
	cmd.Flags().BoolVar(&settings, "settings", false, "show the version, the timeouts of connections and the sync daemons instead")
	return cmd
}

func (t *ipvsTool) stats() *cobra.Command {
	var exact bool
	cmd := t.listing("stats", "Show what services and servers have counted",
		"stats shows the 64-bit counters since each service and server was made or zeroed. The kernel refreshes them every 2 seconds.\n"+
			"What goes out is counted with NAT only: else answers do not pass the director.",
		func(l ipvsctl.Listing, out io.Writer) error { return l.WriteStats(out, exact) })
	cmd.Flags().BoolVar(&exact, "exact", false, "print every digit instead of 1.23M")
	return cmd
}

func (t *ipvsTool) rate() *cobra.Command {
	var exact bool
	cmd := t.listing("rate", "Show connections, packets and bytes per second",
		"rate shows the kernel's estimates of traffic per second, which it refreshes every 2 seconds and smooths.",
		func(l ipvsctl.Listing, out io.Writer) error { return l.WriteRates(out, exact) })
	cmd.Flags().BoolVar(&exact, "exact", false, "print every digit instead of 1.23M")
	return cmd
}

func (t *ipvsTool) connectionsCommand() *cobra.Command {
	var sel serviceFlags
	var services, states []string
	var client, server string
	var templates, watch bool
	cmd := &cobra.Command{
		Use: "connections [SERVICE]", Aliases: []string{"conns"}, Short: "Show the connection table",
		Long: "connections shows connections, and the templates that bind clients to servers (persistence). Filters narrow it down together.\n" +
			"The kernel does not say through which firewall mark a connection came: that service picks its templates only.\n" +
			"The kernel lists without a lock: on a busy director an entry may be missing or come twice.",
		RunE: func(cmd *cobra.Command, args []string) error {
			var f ipvsctl.ConnectionFilter
			keys, err := sel.keys(append(args, services...), t.ports)
			if err != nil {
				return err
			}
			if len(keys) > 1 {
				return errors.New("want one service at most")
			}
			if len(keys) == 1 {
				f.Service = keys[0]
			}
			for _, e := range []struct {
				text, name string
				to         *ipvsctl.Endpoint
			}{{client, "client", &f.Client}, {server, "server", &f.Server}} {
				if e.text == "" {
					continue
				}
				if *e.to, err = ipvsctl.ParseEndpoint(e.text); err != nil {
					return fmt.Errorf("--%s %w", e.name, err)
				}
			}
			f.States = states
			f.Templates = given(cmd.Flags(), "templates", &templates)
			return t.show(cmd, watch, func() error {
				all, failed := t.connections()
				if failed == nil || len(all) > 0 { // lines that make no sense do not cost the others
					list := ipvsctl.NewConnections(all, f)
					if err := t.print(cmd, list, list.Write); err != nil {
						return err
					}
				}
				return ipvsctl.Advise(failed)
			})
		},
	}
	fs := cmd.Flags()
	sel.bind(fs)
	fs.StringSliceVar(&services, "service", nil, "only those of the service with the name `SERVICE`")
	fs.StringVar(&client, "client", "", "only those of the client `ADDRESS`, ADDRESS:PORT or prefix")
	fs.StringVar(&server, "server", "", "only those at the real server `ADDRESS`, ADDRESS:PORT or prefix")
	fs.StringSliceVar(&states, "state", nil, "only those in the `STATE`, as established,time_wait")
	fs.BoolVar(&templates, "templates", false, "only templates; =false: only connections")
	fs.BoolVar(&watch, "watch", false, "print again every second until interrupted")
	return cmd
}

func (t *ipvsTool) zero() *cobra.Command {
	var sel serviceFlags
	cmd := &cobra.Command{
		Use: "zero [SERVICE...]", Short: "Set counters to 0",
		Long: "zero sets the counters of services and their servers to 0: of all, or of some. It changes nothing else.",
		RunE: func(cmd *cobra.Command, args []string) error {
			keys, err := sel.keys(args, t.ports)
			if err != nil {
				return err
			}
			return t.with(cmd, func(ctx context.Context, k ipvsctl.Kernel) error {
				zeroed, err := ipvsctl.Zero(ctx, k, keys)
				if err != nil {
					return err
				}
				return t.print(cmd, map[string]any{"zeroed": zeroed}, func(out io.Writer) error {
					_, err := fmt.Fprintf(out, "counters of %s set to 0\n", plural(len(zeroed), "service"))
					return err
				})
			})
		},
	}
	sel.bind(cmd.Flags())
	return cmd
}

func (t *ipvsTool) save() *cobra.Command {
	return &cobra.Command{
		Use: "save", Short: "Print the table as rules that restore and ipvsadm read",
		Long: "save prints the table as ipvsadm's rules, sorted, with numbers for names: for `lbha ipvs restore` and `ipvsadm -R`.\n" +
			"Unlike `ipvsadm -S` it keeps the thresholds (-x, -y). Counters, timeouts and sync daemons are not part of it.\n" +
			"--json prints what list --json prints.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return t.with(cmd, func(ctx context.Context, k ipvsctl.Kernel) error {
				snap, err := k.List(ctx)
				if err != nil {
					return err
				}
				l, err := ipvsctl.NewListing(snap)
				if err != nil {
					return err
				}
				return t.print(cmd, l, func(out io.Writer) error {
					_, err := io.WriteString(out, snap.Table.String())
					return err
				})
			})
		},
	}
}

func (t *ipvsTool) restore() *cobra.Command {
	var o ipvsctl.Restoration
	cmd := &cobra.Command{
		Use: "restore [FILE]", Short: "Make the table what rules say",
		Long: "restore reads what `lbha ipvs save`, `ipvsadm -Sn` and `ipvsadm -S` print, from FILE or standard input.\n" +
			"All of it is read first: a line that is wrong is an error with its number, every such line is reported, and nothing is changed.\n\n" +
			"The table then becomes exactly what the rules say: what they do not name is deleted (--merge leaves it alone), what is so already\n" +
			"is not touched, and no pool is empty on the way. Empty input never empties the table.\n\n" +
			"A rule that the kernel refuses is an error with its line; the others are in force then.\n\n" +
			anyDrift + "\n\nExit status: 0 the table is as the rules say, 1 it is not.",
		Example: "  ipvsadm -Sn | lbha ipvs restore --dry-run\n  lbha ipvs save > table; lbha ipvs restore table",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			text, err := readRules(cmd, args)
			if err != nil {
				return err
			}
			return t.with(cmd, func(ctx context.Context, k ipvsctl.Kernel) error {
				r, err := ipvsctl.Restore(ctx, k, text, t.ports, o)
				if err != nil {
					return err
				}
				return t.report(cmd, r, func(out io.Writer) error {
					if o.DryRun {
						return printOps(out, r.Operations)
					}
					_, err := fmt.Fprintf(out, "restored: %s, %d refused\n", plural(r.Done(), "change"), len(r.Operations)-r.Done())
					return err
				})
			})
		},
	}
	cmd.Flags().BoolVar(&o.Merge, "merge", false, "leave alone the services and servers that the rules do not name")
	cmd.Flags().BoolVar(&o.DryRun, "dry-run", false, "print the operations, and do nothing")
	return cmd
}

// readRules reads a file, or standard input, to its end.
func readRules(cmd *cobra.Command, args []string) (string, error) {
	if len(args) == 1 && args[0] != "-" {
		b, err := os.ReadFile(args[0])
		return string(b), err
	}
	if isTerminal(cmd.InOrStdin()) {
		fmt.Fprintln(cmd.ErrOrStderr(), "reading rules from the terminal, to Ctrl-D")
	}
	b, err := io.ReadAll(cmd.InOrStdin())
	if err != nil {
		return "", fmt.Errorf("read rules from standard input: %w", err)
	}
	return string(b), nil
}

func (t *ipvsTool) clear() *cobra.Command {
	var yes bool
	cmd := &cobra.Command{
		Use: "clear", Short: "Delete every service",
		Long: "clear deletes every service, whoever made it. Open connections through them break, and are answered with a reset.\n" +
			"It asks first; without a terminal it needs --yes.\n\n" + anyDrift,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !yes && !isTerminal(cmd.InOrStdin()) {
				return errors.New("clear deletes every service, and there is no terminal to ask on: say --yes")
			}
			return t.with(cmd, func(ctx context.Context, k ipvsctl.Kernel) error {
				if !yes {
					snap, err := k.List(ctx)
					if err != nil {
						return err
					}
					fmt.Fprintf(cmd.ErrOrStderr(), "Delete %s? [y/N] ", ipvsctl.Size(snap.Table))
					answer, _ := bufio.NewReader(cmd.InOrStdin()).ReadString('\n')
					if a := strings.ToLower(strings.TrimSpace(answer)); a != "y" && a != "yes" {
						return errors.New("not cleared")
					}
				}
				had, err := ipvsctl.Clear(ctx, k)
				if err != nil {
					return err
				}
				return t.report(cmd, ipvsctl.Result{Operations: append([]ipvs.Op{}, ipvs.Diff(nil, had)...)}, func(out io.Writer) error {
					_, err := fmt.Fprintf(out, "deleted %s\n", ipvsctl.Size(had))
					return err
				})
			})
		},
	}
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return cmd
}

// isTerminal reports whether a command's input or output is a terminal.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	if !ok {
		return false
	}
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}
