package contention

import "time"

// instance is one process. It has at most one commit and one look under way.
type instance struct {
	s          *simulation
	queue      []int // events that are not committed yet
	committing bool
	looking    bool
	again      bool // events were committed since the look began
	known      bool // an endpoint lacked events when all were read last
	suspect    int  // that endpoint
}

func (in *instance) arrive(event int) {
	in.queue = append(in.queue, event)
	if !in.committing {
		in.committing = true
		in.commit()
	}
}

// commit stores the events that wait, and then those that came meanwhile.
func (in *instance) commit() {
	n := min(len(in.queue), group)
	events := in.queue[:n:n]
	in.queue = in.queue[n:]
	in.s.call(in.s.o.Commit, time.Duration(n)*in.s.o.Work, func() {
		for _, e := range events {
			in.s.waiting[e%endpoints][e] = true
		}
	}, func() {
		in.look()
		if len(in.queue) > 0 {
			in.commit()
		} else {
			in.committing = false
		}
	})
}

// look begins a look, or makes the present one be followed by another, which then sees the
// events that were just committed.
func (in *instance) look() {
	if in.looking {
		in.again = true
		return
	}
	in.looking = true
	in.s.result.Looks++
	in.probe(0)
}

func (in *instance) end() {
	in.looking = false
	if in.again {
		in.again = false
		in.look()
	}
}

// probe asks whether the endpoint that lacked events still does, and if not reads all.
func (in *instance) probe(attempt int) {
	if !in.known {
		in.readAll(attempt)
		return
	}
	silent := false
	in.s.call(in.s.o.Read, 0, func() { silent = len(in.s.read(in.suspect, 1)) == 0 }, func() {
		if silent {
			in.end()
		} else {
			in.readAll(attempt)
		}
	})
}

// readAll reads a page of each endpoint, and the whole of those that have more.
func (in *instance) readAll(attempt int) {
	var found [endpoints][]int
	in.s.call(in.s.o.Read, 0, func() {
		for i := range found {
			found[i] = in.s.read(i, margin)
		}
	}, func() {
		more := false
		for i := range found {
			if len(found[i]) == 0 {
				in.known, in.suspect = true, i
				in.end()
				return
			}
			more = more || len(found[i]) == margin
		}
		in.known = false
		if !more {
			in.claim(attempt, found)
			return
		}
		in.s.call(in.s.o.Read, 0, func() {
			for i := range found {
				if len(found[i]) == margin {
					found[i] = in.s.read(i, maxClaim/endpoints)
				}
			}
		}, func() { in.claim(attempt, found) })
	})
}

// claim commits a claim of the events. If another instance was first, the next look decides
// anew.
func (in *instance) claim(attempt int, found [endpoints][]int) {
	var events []int
	for i, list := range found {
		if len(list) == 0 { // another instance claimed between two reads
			in.known, in.suspect = true, i
			in.end()
			return
		}
		events = append(events, list...)
	}
	in.s.result.Attempts = max(in.s.result.Attempts, attempt+1)
	won := false
	in.s.call(in.s.o.Commit, 0, func() { won = in.s.claim(events) }, func() {
		if won {
			in.end()
			return
		}
		pause := time.Duration(0)
		if attempt > 0 {
			pause = time.Duration(in.s.random.Int64N(int64(min(time.Millisecond<<min(attempt, 8), 200*time.Millisecond))))
		}
		in.s.at(in.s.now+pause, func() { in.probe(attempt + 1) })
	})
}
