package director

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	thriftPeriod = 15 * time.Second
	// thriftShare of what lives may be free and not given back: less is not worth a collection.
	thriftShare = 8
)

// thrift gives memory back that was needed for a moment: by the first results of all checks, a storm of verdicts, a
// listing of a large table, somebody who looked at everything. The runtime keeps a tenth more than its goal by itself,
// and takes its time.
func thrift(ctx context.Context) error {
	// Unlike runtime.ReadMemStats this does not stop the world.
	heap := []metrics.Sample{{Name: "/memory/classes/heap/free:bytes"}, {Name: "/memory/classes/heap/objects:bytes"}}
	tick := time.NewTicker(thriftPeriod)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if metrics.Read(heap); heap[0].Value.Uint64() > heap[1].Value.Uint64()/thriftShare {
				debug.FreeOSMemory()
			}
		}
	}
}
