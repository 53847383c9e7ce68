package app

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/headgate/headgate/live"
)

// OwnOrg is the organisation of the live entities that are about Headgate itself.
// They carry no data: who hears of one reads the endpoint that has it.
const OwnOrg = "headgate"

// Types of OwnOrg's entities.
const (
	GateType   = "gates"       // id: the service's name; /status, /pending, /messages
	SyncType   = "syncs"       // id: the sync's; /sync/{id}, /sync/{id}/runs; AllOf: /sync
	ClientType = "connections" // id: AllOf; of this instance alone; /live/clients
)

// AllOf is the id of the list of a type.
const AllOf = "all"

// ownResolver has a version that nobody has seen: whatever a client knows, it reads again.
type ownResolver struct{}

func (ownResolver) PerSecret() bool { return false }

func (ownResolver) Resolve(context.Context, live.Key, string) (live.State, error) {
	return live.State{Version: strconv.FormatInt(time.Now().UnixNano(), 36), Rows: [][]byte{[]byte("{}")}}, nil
}

// beaconGap is the least time between two signals of one of our own entities.
const beaconGap = 300 * time.Millisecond

// beacon signals what keeps changing: at once, and then at most every beaconGap.
type beacon struct {
	send func(context.Context, live.Key)

	mu      sync.Mutex
	lit     map[live.Key]bool // being signalled; true: again
	stopped context.Context
	stop    context.CancelFunc
	running sync.WaitGroup
}

func newBeacon(send func(context.Context, live.Key)) *beacon {
	b := &beacon{send: send, lit: make(map[live.Key]bool)}
	b.stopped, b.stop = context.WithCancel(context.Background())
	return b
}

// light says that the entity changed. It does not block.
func (b *beacon) light(k live.Key) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, lit := b.lit[k]; lit {
		b.lit[k] = true
		return
	}
	if b.stopped.Err() != nil {
		return
	}
	b.lit[k] = false
	b.running.Go(func() { b.burn(k) })
}

func (b *beacon) burn(k live.Key) {
	for {
		ctx, cancel := context.WithTimeout(b.stopped, notifyTimeout)
		b.send(ctx, k)
		cancel()
		t := time.NewTimer(beaconGap)
		select {
		case <-t.C:
		case <-b.stopped.Done():
			t.Stop()
		}
		b.mu.Lock()
		if !b.lit[k] || b.stopped.Err() != nil {
			delete(b.lit, k)
			b.mu.Unlock()
			return
		}
		b.lit[k] = false
		b.mu.Unlock()
	}
}

func (b *beacon) close() {
	b.mu.Lock()
	b.stop()
	b.mu.Unlock()
	b.running.Wait()
}

// own says that something of ours changed, if anybody could be listening.
func (a *App) own(typ, id string) {
	if !a.live.shared && a.live.Hub.Len() == 0 {
		return
	}
	a.beacon.light(live.Key{Org: OwnOrg, Type: typ, ID: id})
}

// signalOwn tells the clients that listen. One who misses it hears at the next
// comparison of versions.
func (a *App) signalOwn(ctx context.Context, k live.Key) {
	if k.Type == ClientType {
		a.live.Hub.NotifyLocal(k)
		return
	}
	if err := a.Notify(ctx, []live.Key{k}); err != nil && ctx.Err() == nil {
		a.o.Log.Debug("not every instance heard of a change", "type", k.Type, "id", k.ID, "error", err)
	}
}

// InCloud is whether the process has a processor only while it answers requests.
func (a *App) InCloud() bool { return !a.o.RunsOn }
