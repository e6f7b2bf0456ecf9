package main

import (
	"context"
	"fmt"
	"io"
	"os"
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
		if watch && !t.json {
			clearScreen(cmd.OutOrStdout())
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

// isTerminal reports whether a command's input or output is a terminal.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	if !ok {
		return false
	}
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// clearScreen clears the terminal that --watch prints to; a file or a pipe gets no codes.
func clearScreen(out io.Writer) {
	if isTerminal(out) {
		fmt.Fprint(out, "\x1b[H\x1b[2J")
	}
}
