package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/lbha/lbha/cmd/internal/ipvsctl"
)

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
		"list shows all services, or some. ACTIVE and INACTIVE are connections, PERSISTENT are the templates that bind clients; they are exact at\n"+
			"this moment, and a service shows the sums of its servers. --json prints the counters too: the same document as stats and rate.",
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
