//go:build linux

package main

import (
	"fmt"

	"github.com/lbha/lbha/integration/internal/deb"
	"github.com/lbha/lbha/integration/internal/sandbox"
	"github.com/spf13/cobra"
)

func packageCommand() *cobra.Command {
	p := deb.Package{}
	cmd := &cobra.Command{
		Use:   "package",
		Short: "make the Debian package",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := sandbox.Install(cmd.Context(), say, sandbox.Package{Brings: "dpkg-deb", Name: "dpkg"}); err != nil {
				return err
			}
			var err error
			if p.Root, err = moduleRoot(cmd.Context()); err != nil {
				return err
			}
			path, err := p.Build(cmd.Context())
			if err != nil {
				return err
			}
			fmt.Println(path)
			return nil
		},
	}
	cmd.Flags().StringVarP(&p.Out, "output", "o", ".", "`directory` of the package")
	cmd.Flags().StringVar(&p.Version, "version", "0.1.0~dev", "its version, as Debian orders them")
	return cmd
}
