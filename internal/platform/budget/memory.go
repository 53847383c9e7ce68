package budget

import (
	"bytes"
	"log/slog"
)

// Memory is the memory of a process, divided by what it is used for. Loads of
// one kind so cannot take what another needs to end: an ingest waits for the
// message that it completes, and a reader that is slow must not keep events out.
type Memory struct {
	Requests *Budget // bodies that come in, until they are stored
	Answers  *Budget // what is read to be sent out
	Work     *Budget // messages on their way to the bus
	Runs     *Budget // runs of syncs
	Live     *Budget // clients, their subscriptions, and what waits for them
}

// base is what a process takes that does nothing: code, the store's page caches,
// stacks, and the drivers' buffers.
const base = 48 << 20

// Divide divides a limit in bytes. What is left goes to the collector: memory
// that is free, and not known to be. 0 or less means no bound.
func Divide(limit int64) Memory {
	if limit <= 0 {
		return Memory{}
	}
	usable := max(limit-base, limit/4)
	part := func(percent int64) *Budget { return New(usable / 100 * percent) }
	return Memory{Requests: part(35), Answers: part(10), Work: part(12), Runs: part(12), Live: part(20)}
}

// LogValue implements [slog.LogValuer].
func (m Memory) LogValue() slog.Value {
	part := func(name string, b *Budget) slog.Attr { return slog.Int64(name, b.Total()>>20) }
	return slog.GroupValue(part("requestsMiB", m.Requests), part("answersMiB", m.Answers), part("workMiB", m.Work), part("runsMiB", m.Runs), part("liveMiB", m.Live))
}

// OfJSON estimates the memory of a JSON text and of the Go values that it is
// decoded into. A value of two bytes becomes an interface, the number or string
// in it, and its place in a slice or a map: count the places, not the bytes.
func OfJSON(text []byte) int64 {
	places := 1
	for _, mark := range [...]string{",", "[", "{"} {
		places += bytes.Count(text, []byte(mark))
	}
	return int64(3*len(text) + perPlace*places)
}

// perPlace is the memory of a decoded value beside its own bytes; measured, see
// TestDecodedJSONWeighsNoMore.
const perPlace = 160
