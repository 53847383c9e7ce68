package budget

import (
	"bytes"
	"log/slog"
)

// Memory is the memory of a process, divided into budgets by use. One kind of load
// then cannot take the memory that another needs to finish: an ingest waits for the
// message that it completes, and slow readers must not keep events out.
type Memory struct {
	Requests *Budget // bodies of requests, until they are stored
	Answers  *Budget // answers, until clients have read them
	Work     *Budget // messages on their way to the bus
	Runs     *Budget // runs of syncs
	Live     *Budget // clients, their subscriptions, and messages that wait for them
}

// base is the memory of an idle process: code, the store's page caches, stacks and the
// drivers' buffers.
const base = 48 << 20

// Divide divides a limit in bytes into budgets. It leaves a part of the limit to the
// garbage collector, for memory that is free but not yet collected. With a limit of 0
// or less, there is no bound.
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

// OfJSON estimates the memory of a JSON text and of the Go values that it decodes to.
// A value of two bytes becomes an interface, the number or string in it, and its place
// in a slice or a map. So OfJSON counts the places as well as the bytes.
func OfJSON(text []byte) int64 {
	places := 1
	for _, mark := range [...]string{",", "[", "{"} {
		places += bytes.Count(text, []byte(mark))
	}
	return int64(3*len(text) + perPlace*places)
}

// perPlace is the memory of a decoded value in addition to its own bytes. It is
// measured: see TestDecodedJSONWeighsNoMore.
const perPlace = 160
