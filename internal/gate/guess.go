package gate

import (
	"sync"

	"github.com/headgate/headgate/internal/gate/window"
)

// guess holds how many events each endpoint is thought to have in the window. A check asks
// first about an endpoint that is thought to be short: if it is, the others need not be read.
// A wrong guess costs a round trip, and never a decision.
type guess struct {
	mu   sync.Mutex
	have []int
}

func newGuess(endpoints int) guess { return guess{have: make([]int, endpoints)} }

// stored says that this process has stored an event of the endpoint.
func (g *guess) stored(endpoint int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.have[endpoint]++
}

// read says that a check found an endpoint to be short.
func (g *guess) read(endpoint, have int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.have[endpoint] = have
}

// complete says that the window was complete, and its events are claimed. If this process
// had stored enough of them itself, the next window is thought to be empty. Otherwise other
// processes store events too, and the next window is thought to be complete again: under load
// it is.
func (g *guess) complete(rules []window.Rule) {
	g.mu.Lock()
	defer g.mu.Unlock()
	explained := g.shortOf(rules) == noEndpoint
	for i, r := range rules {
		if g.have[i] = 0; !explained {
			g.have[i] = r.Need
		}
	}
}

// short returns the first endpoint that is thought to be short, or noEndpoint.
func (g *guess) short(rules []window.Rule) int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.shortOf(rules)
}

func (g *guess) shortOf(rules []window.Rule) int {
	for i, r := range rules {
		if !r.Met(g.have[i]) {
			return i
		}
	}
	return noEndpoint
}
