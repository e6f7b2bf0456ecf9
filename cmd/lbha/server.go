package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/lbha/lbha/cmd/internal/admin"
)

func serverCommand(client func() *admin.Client) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "server",
		Short: "Drain, disable, enable or weigh one real server",
		Long: "server gives an order for one real server, above configuration and checks. It survives reloads and restarts, until\n" +
			"its time is over (--for), until `enable` lifts it, or until the server is no longer configured. `lbha status` shows it.",
	}
	for _, action := range []struct {
		name  admin.Action
		short string
	}{
		{admin.Drain, "Give it no new connections, wait for those it has, then take it out"},
		{admin.Disable, "Take it out of the table at once"},
		{admin.Enable, "Lift the order: configuration and checks decide again"},
	} {
		cmd.AddCommand(orderCommand(client, action.name, string(action.name)+" SERVICE SERVER", action.short, 2))
	}
	cmd.AddCommand(orderCommand(client, admin.Weight, "weight SERVICE SERVER WEIGHT", "Give it another weight than the configured one", 3))
	return cmd
}

func orderCommand(client func() *admin.Client, action admin.Action, use, short string, args int) *cobra.Command {
	req := admin.ServerRequest{Action: action}
	cmd := &cobra.Command{
		Use:   use,
		Short: short,
		Long:  short + ".\nSERVICE is its name in the configuration, SERVER its address; the port may be left out where that is not ambiguous.",
		Args:  cobra.ExactArgs(args),

		ValidArgsFunction: complete(client, serviceNames, serverNames),
		RunE: func(cmd *cobra.Command, args []string) error {
			req.Service, req.Server = args[0], args[1]
			if action == admin.Weight {
				weight, err := strconv.Atoi(args[2])
				if err != nil {
					return fmt.Errorf("weight %q is not a number", args[2])
				}
				req.Weight = weight
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), actTimeout)
			defer cancel()
			return client().Server(ctx, req)
		},
	}
	if action != admin.Enable {
		cmd.Flags().DurationVar(&req.For, "for", time.Duration(0), "end the order after this time, such as 30m")
		cmd.Flags().StringVar(&req.Reason, "reason", "", "why, for those who look at the status")
	}
	return cmd
}
