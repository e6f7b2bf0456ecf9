package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/lbha/lbha/ipvs/realserver"
)

const (
	defaultStateDir   = "/run/lbha"
	realserverTimeout = time.Minute
)

func realserverCommand() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:   "realserver",
		Short: "Prepare this host as a DR, TUN or NAT real server, undo it, or check it",
		Long: "realserver makes the host that it runs on fit to stand behind a director. It needs no daemon.\n\n" +
			"  dr   the VIP on lo, and no ARP answers for it\n" +
			"  tun  the VIP on the device of the tunnel (tunl0, sit0, ip6tnl0, gre0, ip6gre0), which is up and lets the clients'\n" +
			"       packets through, for gue a UDP port that unwraps them, and no ARP answers for the VIP\n" +
			"  nat  only a check: the default route must lead to the director\n\n" +
			"What was there before is kept in realserver.json of the state directory until down restores it.",
	}
	cmd.PersistentFlags().StringVar(&dir, "state-dir", defaultStateDir, "directory of realserver.json; each network namespace needs its own")
	cmd.AddCommand(realserverUp(&dir), realserverDown(&dir), realserverShow(&dir))
	return cmd
}

// prepared calls f with this host.
func prepared(parent context.Context, dir string, f func(ctx context.Context, s *realserver.Setup) error) error {
	k, err := realserver.Dial()
	if err != nil {
		return err
	}
	defer k.Close()
	// Interrupted, it takes back what it did.
	ctx, stop := signal.NotifyContext(parent, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, realserverTimeout)
	defer cancel()
	err = f(ctx, realserver.New(k, dir))
	if errors.Is(err, fs.ErrPermission) && os.Geteuid() != 0 {
		return fmt.Errorf("%w; it needs root", err)
	}
	return err
}

func realserverUp(dir *string) *cobra.Command {
	var wanted wantedFlags
	cmd := &cobra.Command{
		Use:   "up --vip ADDRESS --mode dr|tun|nat",
		Short: "Make this host serve VIPs as a real server",
		Long: "up does what is missing, prints it as the commands that one would type, and leaves alone what is right. A second up does\n" +
			"nothing. If a step fails, those before it are undone. VIPs of earlier calls stay up.\n\n" +
			"Exit status: 0 the host is ready, 1 it is not, and nothing was changed.",
		Example: "  lbha realserver up --vip 192.0.2.10 --vip 2001:db8::10 --mode dr\n" +
			"  lbha realserver up --vip 192.0.2.10 --mode tun --interface eth1 --arp filter\n" +
			"  lbha realserver up --vip 192.0.2.10 --mode tun --tunnel gue --tunnel-port 6080\n" +
			"  lbha realserver up --vip 2001:db8::10 --mode tun --tunnel gre --over ipv4\n" +
			"  lbha realserver up --vip 192.0.2.10 --mode nat --director 10.0.0.1",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			want, err := wanted.parse()
			if err != nil {
				return err
			}
			return prepared(cmd.Context(), *dir, func(ctx context.Context, s *realserver.Setup) error {
				steps, err := s.Up(ctx, want...)
				if err == nil {
					printSteps(cmd.OutOrStdout(), steps)
				}
				return err
			})
		},
	}
	wanted.register(cmd)
	cmd.MarkFlagRequired("vip")
	cmd.MarkFlagRequired("mode")
	return cmd
}

func realserverDown(dir *string) *cobra.Command {
	var vips []string
	cmd := &cobra.Command{
		Use:   "down [--vip ADDRESS]",
		Short: "Restore what was there before up",
		Long: "down gives up the named VIPs, or all. What was there before up stays or comes back; what somebody else has changed since\n" +
			"is left as it is, and named.\n\n" +
			"Exit status: 0 done, or there was nothing to do; 1 it failed, and nothing was changed.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			addrs, err := parseVIPs(vips)
			if err != nil {
				return err
			}
			return prepared(cmd.Context(), *dir, func(ctx context.Context, s *realserver.Setup) error {
				steps, left, err := s.Down(ctx, addrs...)
				if errors.Is(err, realserver.ErrNothing) {
					fmt.Fprintf(cmd.OutOrStdout(), "nothing to undo: %s/realserver.json has no record of it; whatever is on this host is left as it is\n", *dir)
					return nil
				}
				if err != nil {
					return err
				}
				printSteps(cmd.OutOrStdout(), steps)
				for _, l := range left {
					fmt.Fprintf(cmd.ErrOrStderr(), "lbha: %s %s was changed by somebody else since, and is left as it is\n", l.Kind, l.Name)
				}
				return nil
			})
		},
	}
	cmd.Flags().StringArrayVar(&vips, "vip", nil, "VIP to give up; may be repeated (default all)")
	return cmd
}

func realserverShow(dir *string) *cobra.Command {
	var wanted wantedFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show [--vip ADDRESS --mode dr|tun|nat]",
		Short: "Say line by line what is right and wrong on this host",
		Long: "show checks the host for the named VIPs, or for those that up made it serve. It changes nothing. Each line that is wrong\n" +
			"ends with its fix.\n\n" +
			"Exit status: 0 all is right, 1 something is wrong.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			want, err := wanted.parse()
			if err != nil {
				return err
			}
			return prepared(cmd.Context(), *dir, func(ctx context.Context, s *realserver.Setup) error {
				reports, err := s.Show(ctx, want...)
				if errors.Is(err, realserver.ErrNothing) {
					return fmt.Errorf("%w; name a VIP and a mode (--vip, --mode) to check this host for", err)
				}
				if err != nil {
					return err
				}
				if asJSON {
					err = printJSON(cmd.OutOrStdout(), reports)
				} else {
					printReports(cmd.OutOrStdout(), reports)
				}
				for _, r := range reports {
					if !r.OK() && err == nil {
						err = exit(1)
					}
				}
				return err
			})
		},
	}
	wanted.register(cmd)
	cmd.MarkFlagsRequiredTogether("vip", "mode")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// wantedFlags describe what a host is to serve.
type wantedFlags struct {
	vips                      []string
	mode, iface, arp, dirAddr string
	tunnel, over              string
	tunnelPort                uint16
}

func (f *wantedFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&f.vips, "vip", nil, "virtual IP address; may be repeated")
	cmd.Flags().StringVar(&f.mode, "mode", "", "forwarding method of the director: dr, tun or nat")
	cmd.Flags().StringVar(&f.iface, "interface", "", "interface of the real server's own address (default that of the default route)")
	cmd.Flags().StringVar(&f.arp, "arp", string(realserver.BySysctl), "what keeps the host from answering ARP for an IPv4 VIP: sysctl, or filter (nftables)")
	cmd.Flags().StringVar(&f.dirAddr, "director", "", "director's inside address, for nat")
	cmd.Flags().StringVar(&f.tunnel, "tunnel", "", "for tun: the director's encapsulation, ipip, gue, or gre, which must be without checksum (default ipip)")
	cmd.Flags().Uint16Var(&f.tunnelPort, "tunnel-port", 0, "for gue: its UDP port")
	cmd.Flags().StringVar(&f.over, "over", "", "for tun: the family of the packets around the tunnel's, which is that of the real server's own address, ipv4 or ipv6 (default that of the VIP)")
}

func (f *wantedFlags) parse() ([]realserver.Wanted, error) {
	vips, err := parseVIPs(f.vips)
	if err != nil || len(vips) == 0 {
		return nil, err
	}
	w := realserver.Wanted{Interface: f.iface, ARP: realserver.ARP(f.arp)}
	if err := w.Mode.UnmarshalText([]byte(f.mode)); err != nil {
		return nil, fmt.Errorf("--mode: %w", err)
	}
	w.Tunnel.Port = f.tunnelPort
	if f.tunnel != "" {
		if err := w.Tunnel.Type.UnmarshalText([]byte(f.tunnel)); err != nil {
			return nil, fmt.Errorf("--tunnel: %w", err)
		}
	}
	if f.over != "" {
		if err := w.Over.UnmarshalText([]byte(f.over)); err != nil {
			return nil, fmt.Errorf("--over: %w", err)
		}
	}
	if f.dirAddr != "" {
		if w.Director, err = netip.ParseAddr(f.dirAddr); err != nil {
			return nil, fmt.Errorf("--director: %q is not an IP address", f.dirAddr)
		}
	}
	var all []realserver.Wanted
	for _, vip := range vips {
		w.VIP = vip
		if err := w.Validate(); err != nil {
			return nil, err
		}
		all = append(all, w)
	}
	return all, nil
}

func parseVIPs(texts []string) (vips []netip.Addr, err error) {
	for _, text := range texts {
		vip, err := netip.ParseAddr(text)
		if err != nil {
			return nil, fmt.Errorf("--vip: %q is not an IP address; give the address alone, without a prefix length", text)
		}
		vips = append(vips, vip)
	}
	return vips, nil
}

func printSteps(w io.Writer, steps []realserver.Step) {
	for _, s := range steps {
		fmt.Fprintln(w, s)
	}
	if len(steps) == 0 {
		fmt.Fprintln(w, "nothing to do: the host is as it should be")
	}
}

func printReports(w io.Writer, reports []realserver.Report) {
	p := painter(w)
	for i, r := range reports {
		if i > 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintf(w, "VIP %v as %v real server\n", r.VIP, r.Mode)
		for _, f := range r.Findings {
			if f.OK {
				fmt.Fprintf(w, "  %s     %s\n", p("ok", true), f.Text)
			} else {
				fmt.Fprintf(w, "  %s  %s; fix: %s\n", p("WRONG", false), f.Text, f.Fix)
			}
		}
	}
}
