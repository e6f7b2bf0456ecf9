package config

import (
	"log/slog"
	"time"
)

// Config is one validated configuration: every default filled in, every contradiction
// refused. It is never changed after Load returned it, so it may be shared.
type Config struct {
	Global    Global     `json:"global"`
	Instances []Instance `json:"instances"` // in the order of the files
	Groups    []Group    `json:"groups"`
	Services  []Service  `json:"services"`

	// Files names what was read: the file given to Load first, then its includes.
	Files []string `json:"files"`
	// Hash identifies the content: the SHA-256, in hexadecimal, of everything above but
	// Files. Comments, spelling and the split into files do not change it.
	Hash string `json:"hash"`
	// Warnings is what is legal but probably not meant. All have severity Warning.
	Warnings Diagnostics `json:"warnings,omitempty"`
}

// Global is the table [global].
type Global struct {
	Name      string  `json:"name"`      // this director in logs and status; default: the host name
	Control   string  `json:"control"`   // path of the admin socket
	StateDir  string  `json:"state_dir"` // directory of the files that survive a restart
	Metrics   string  `json:"metrics"`   // host:port of the Prometheus listener; "" is off
	Log       Log     `json:"log"`
	Exclusive bool    `json:"exclusive"` // remove IPVS services that no configuration names
	Scripts   Scripts `json:"scripts"`
	IPVS      IPVS    `json:"ipvs"`
	Peers     *Peers  `json:"peers,omitempty"` // nil: verdicts are told to nobody
}

// Log says how much is logged and in which shape.
type Log struct {
	Level  slog.Level `json:"level"`
	Format string     `json:"format"` // auto, text or json
}

// Scripts bounds the commands that lbha starts: track scripts and notify commands.
type Scripts struct {
	User    string        `json:"user"`
	Timeout time.Duration `json:"timeout"`
}

// IPVS holds the settings of the kernel's IPVS that belong to no service.
type IPVS struct {
	Timeouts Timeouts `json:"timeouts"`
	Sync     *Sync    `json:"sync,omitempty"` // nil: no synchronisation daemon
}

// Timeouts are the kernel's connection timeouts, in whole seconds. 0 leaves the kernel's
// own value alone, which is also what the kernel's interface means by 0.
type Timeouts struct {
	TCP    time.Duration `json:"tcp"`
	TCPFin time.Duration `json:"tcp_fin"`
	UDP    time.Duration `json:"udp"`
}

// Sync is the kernel's connection synchronisation daemon.
type Sync struct {
	Interface string `json:"interface"`
	ID        uint8  `json:"id"` // 0-255; a backup with ID 0 accepts every ID
}
