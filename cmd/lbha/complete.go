package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/lbha/lbha/cmd/internal/admin"
	"github.com/lbha/lbha/cmd/internal/observe"
)

// completeTimeout bounds how long a shell waits for the daemon after a tab.
const completeTimeout = time.Second

// proposal is what may stand in one place of a command line, given the arguments before it.
type proposal func(st *observe.Status, before []string) []string

// complete proposes the names that the running daemon has, a proposal for each argument; without a daemon there are none.
func complete(client func() *admin.Client, places ...proposal) cobra.CompletionFunc {
	return func(cmd *cobra.Command, before []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(before) >= len(places) {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(context.Background(), completeTimeout)
		defer cancel()
		st, err := client().Status(ctx)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return places[len(before)](st, before), cobra.ShellCompDirectiveNoFileComp
	}
}

func instanceNames(st *observe.Status, _ []string) (names []string) {
	for _, in := range st.Instances {
		names = append(names, in.Name)
	}
	return names
}

func serviceNames(st *observe.Status, _ []string) (names []string) {
	for _, s := range st.Services {
		names = append(names, s.Name)
	}
	return names
}

func instanceAndServiceNames(st *observe.Status, _ []string) []string {
	return append(instanceNames(st, nil), serviceNames(st, nil)...)
}

// serverNames are those of the service before them.
func serverNames(st *observe.Status, before []string) (names []string) {
	for _, s := range st.Services {
		if s.Name != before[0] {
			continue
		}
		for _, r := range s.Servers {
			names = append(names, r.Address)
		}
	}
	return names
}
