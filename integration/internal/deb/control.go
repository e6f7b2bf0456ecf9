package deb

import (
	"fmt"
	"path/filepath"
)

const configuration = "etc/lbha/lbha.toml"

// defaultConfiguration is valid and does nothing: no address, no service.
const defaultConfiguration = `# lbha: see lbha(8) and /usr/share/doc/lbha/examples.
#
# After a change:  lbha check   says what is wrong with it
#                  lbha plan    says what a reload would do
#                  lbha reload  does it
# Start it with:   systemctl enable --now lbha

[global]
`

// scripts are what dpkg runs.
var scripts = map[string]string{
	"postinst": `#!/bin/sh
set -e
if [ "$1" = configure ] && [ -d /run/systemd/system ]; then
	systemctl daemon-reload
	if [ -n "$2" ]; then
		# An upgrade: the new daemon resumes what the old one does. This is no failover.
		systemctl try-restart lbha.service
	fi
fi
`,
	"prerm": `#!/bin/sh
set -e
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
	# Hands over first.
	systemctl disable --now lbha.service
fi
`,
	"postrm": `#!/bin/sh
set -e
if [ -d /run/systemd/system ]; then
	systemctl daemon-reload
fi
if [ "$1" = purge ]; then
	rmdir --ignore-fail-on-non-empty /etc/lbha 2>/dev/null || true
fi
`,
}

// control writes what dpkg reads.
func control(stage, version string) error {
	text := fmt.Sprintf(`Package: lbha
Version: %s
Architecture: %s
Maintainer: The lbha authors <lbha@example.org>
Section: net
Priority: optional
Suggests: ipvsadm
Homepage: https://github.com/lbha/lbha
Description: highly available load-balancer director (VRRP and IPVS)
 lbha turns two or more hosts into a highly available load-balancer director:
 they elect a master by VRRP, the master holds the virtual IPs, and each checks
 the real servers and keeps the kernel's IPVS table equal to its configuration.
`, version, architecture())
	files := map[string]string{"control": text, "conffiles": "/" + configuration + "\n"}
	for name, text := range files {
		if err := write(filepath.Join(stage, "DEBIAN", name), text, 0o644); err != nil {
			return err
		}
	}
	for name, text := range scripts {
		if err := write(filepath.Join(stage, "DEBIAN", name), text, 0o755); err != nil {
			return err
		}
	}
	return nil
}
