package sandbox

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// modules is what the lab and the kernel tests use. A kernel without one of them still runs what does not need it.
var modules = []string{
	"ip_vs", "ip_vs_rr", "ip_vs_wrr", "ip_vs_lc", "ip_vs_wlc", "ip_vs_lblc", "ip_vs_lblcr", "ip_vs_dh", "ip_vs_sh", "ip_vs_mh",
	"ip_vs_sed", "ip_vs_nq", "ip_vs_fo", "ip_vs_ovf", "ip_vs_twos", "ip_vs_pe_sip",
	"veth", "bridge", "dummy", "macvlan", "ipip", "ip_gre", "fou", "nlmon", "sch_netem", "sch_ingress", "cls_flower", "act_gact",
}

// loadModules loads what the lab uses into a user-mode kernel. Only IPVS itself is indispensable.
func loadModules() error {
	for _, name := range modules {
		if err := loadModule(name); err != nil && name == "ip_vs" {
			return err
		}
	}
	return nil
}

// HasIPVS reports whether the running kernel has IPVS loaded, seen from this network namespace.
func HasIPVS() bool {
	_, err := os.Stat("/proc/net/ip_vs")
	return err == nil
}

// userModeModules is where the Debian package keeps the modules of its kernel.
func userModeModules(release string) string { return filepath.Join("/usr/lib/uml/modules", release) }

// loadModule loads one module of the package and what it depends on. modprobe could not: the first module is needed before its directory is
// where modprobe looks, and a process for each takes longer than all of them together.
func loadModule(name string) error {
	dir := userModeModules(KernelRelease())
	index, err := os.ReadFile(filepath.Join(dir, "modules.dep"))
	if err != nil {
		return fmt.Errorf("read the index of the user-mode kernel's modules: %w", err)
	}
	files := moduleFiles(string(index), name)
	if len(files) == 0 {
		return fmt.Errorf("the user-mode kernel has no module %s in %s", name, dir)
	}
	for _, file := range files {
		if err := insert(filepath.Join(dir, file)); err != nil {
			return err
		}
	}
	return nil
}

// moduleFiles finds a module in a modules.dep index and returns its files in the order in which to load them.
func moduleFiles(index, name string) []string {
	for line := range strings.Lines(index) {
		file, dependencies, ok := strings.Cut(strings.TrimSpace(line), ":")
		if !ok || strings.TrimSuffix(filepath.Base(file), ".ko") != name {
			continue
		}
		var files []string
		// The index lists the nearest dependency first.
		for _, dependency := range strings.Fields(dependencies) {
			files = append([]string{dependency}, files...)
		}
		return append(files, file)
	}
	return nil
}

func insert(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := unix.FinitModule(int(f.Fd()), "", 0); err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("load %s: %w", path, err)
	}
	return nil
}

// KernelRelease names the running kernel, as uname -r does.
func KernelRelease() string {
	var u unix.Utsname
	// uname(2) fails only for a bad pointer.
	_ = unix.Uname(&u)
	return unix.ByteSliceToString(u.Release[:])
}
