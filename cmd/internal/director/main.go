package director

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/lbha/lbha/cmd/internal/keep"
	"github.com/lbha/lbha/cmd/internal/link"
	"github.com/lbha/lbha/cmd/internal/observe"
	"github.com/lbha/lbha/cmd/internal/supervisor"
	"github.com/lbha/lbha/config"
)

// Main is the process. It returns the exit status.
func Main(path, version string) int {
	// A reader that went is an error of the write. To ignore the signal would be inherited by the programs that we start,
	// whose pipes rely on it.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	// Before anything else: a reload that is asked for during the start must not kill this process.
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGHUP, syscall.SIGUSR1)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()

	d, err := open(path, version)
	if err != nil {
		fmt.Fprintln(os.Stderr, "lbha: director:", err)
		return supervisor.ExitFatal
	}
	d.signals = signals
	defer d.flush()
	switch err := d.run(ctx, openKernel); {
	case err == nil:
		return 0
	case errors.As(err, new(*startError)):
		fmt.Fprintln(os.Stderr, "lbha: director:", err)
		return supervisor.ExitFatal
	default:
		d.log.Error("the director ends", "error", err)
		return 1
	}
}

// startError is a reason not to start at all: retrying would not help.
type startError struct{ err error }

func (e *startError) Error() string { return e.err.Error() }
func (e *startError) Unwrap() error { return e.err }

// task is a unit of concurrency: it runs until its context ends.
type task interface {
	Run(context.Context) error
}

// together runs tasks until the first of them fails or the context ends.
func together(ctx context.Context, tasks ...task) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, t := range tasks {
		g.Go(func() error {
			if err := t.Run(ctx); err != nil && ctx.Err() == nil {
				return err
			}
			return nil
		})
	}
	return g.Wait()
}

// runs makes a task of a function.
type runs func(context.Context) error

func (f runs) Run(ctx context.Context) error { return f(ctx) }

// open makes a director of the descriptors that the supervisor gave, and of the configuration.
func open(path, version string) (*director, error) {
	// Inherited descriptors stay open in what we start, and what is behind these is for no script: the link commands the
	// elector, the memory holds secrets.
	for _, fd := range []int{supervisor.FDLink, supervisor.FDMemory, supervisor.FDNotify} {
		unix.CloseOnExec(fd)
	}
	region, err := keep.Open(os.NewFile(supervisor.FDMemory, "memory"))
	if err != nil {
		return nil, err
	}
	begin, err := configuration(region, path)
	if err != nil {
		return nil, err
	}
	level := new(slog.LevelVar)
	level.Set(begin.Config.Global.Log.Level)
	log, flush, err := observe.NewLogger(begin.Config.Global.Log.Format, level)
	if err != nil {
		return nil, err
	}
	conn, err := link.Open(supervisor.FDLink)
	if err != nil {
		return nil, err
	}
	d := newDirector(path, version, begin, log, level, conn, region, observe.NewNotifier(supervisor.FDNotify))
	d.flush = flush
	return d, nil
}

// configuration is the one in force, if a former process died, else that of the file: once lbha runs, only a reload reads
// a file that somebody may be editing.
func configuration(region *keep.Region, path string) (inForce, error) {
	if had := newMemory(region).inForce(); had.Config != nil {
		return had, nil
	}
	cfg, err := config.Load(path)
	return inForce{Config: cfg, read: true}, err
}
