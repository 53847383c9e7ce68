package clock

import (
	"iter"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// tolerance is the largest deviation of the machine's clock that counts as a
	// correction, as NTP makes them, and is followed at once. A larger one is a jump.
	tolerance = time.Second
	// Hold is the time for which the machine's clock must keep its new time after a jump.
	// Then Steady follows it.
	Hold = 5 * time.Minute
	// Grace is the time for which the clock must run without a jump. Then data may be deleted
	// by it. A wrong clock has been corrected by NTP by then.
	Grace = 30 * time.Minute
	// maxSpans bounds how many earlier settings are remembered. If the clock is set more
	// often, the oldest settings are merged into the slowest of them.
	maxSpans = 64
)

// Steady is the clock of a process. It follows the machine's clock, except when that
// jumps: after a jump it runs on with the monotonic clock until the machine's clock has
// kept its new time for [Hold]. A machine's clock that is wrong for a moment therefore
// has no effect. A store that has a time of its own overrules the machine's clock at
// once. If no caller asks the store for [Hold] after a jump, the machine's clock is
// followed until one does.
//
// Steady remembers its earlier settings. [Steady.Since] and [Steady.Latest] look back
// over a span of true time, so that a stamp from before a correction is not taken for
// older or newer than it is.
//
// Settings are not remembered across restarts. A process that starts with a wrong clock
// and has no store to ask stamps wrong times until the clock is corrected. It deletes
// nothing by that clock, see [Steady.Settled].
//
// Use [New]; the zero value is not valid. All methods may be called concurrently.
// docs/decisions/010-steady-clock.md has the reasons.
type Steady struct {
	wall  func() time.Time
	mono  func() time.Duration
	slept func() time.Duration // nil: the monotonic clock counts sleep

	asleep atomic.Int64 // the part of slept that has been added to mono
	alone  atomic.Bool  // the store has no time of its own

	mu sync.Mutex
	// Times here are those of the monotonic clock, plus asleep.
	awake time.Duration // when slept was called last
	began time.Duration // when the process began
	calm  time.Duration // when the machine's clock jumped last, or the process began
	spans []span        // never empty; the last is in force
	last  time.Time     // the machine's clock at the last look, extrapolated to time 0
	doubt bool          // the clock jumped since the store was asked

	claim      time.Time // the zero of the machine's clock after a jump that is not followed yet
	claimed    bool
	claimSince time.Duration

	store      opinion
	observedAt time.Duration // when the store was asked last
	failed     time.Duration // when the store failed to answer last
	asked      *question     // the question that waits for its answer, or nil

	longest time.Duration // for which any data is kept
}

// span is a time during which the clock ran undisturbed.
type span struct {
	from time.Duration
	zero time.Time // the time that the clock shows at 0, extrapolated
}

// Options of a [Steady].
type Options struct {
	Wall func() time.Time     // the machine's clock
	Mono func() time.Duration // a clock that cannot be set, from any zero
	// Slept returns how long the machine has slept, for a Mono that stands still then.
	// It is called when the two clocks differ. nil: Mono counts sleep.
	Slept func() time.Duration
	// Longest is the longest time for which data is kept, as far as [Steady.Keeps] and
	// [Steady.After] do not say it.
	Longest time.Duration
}

// New returns a clock that is set to the machine's time.
func New(o Options) *Steady {
	s := &Steady{wall: o.Wall, mono: o.Mono, slept: o.Slept, longest: o.Longest}
	if s.slept != nil {
		s.asleep.Store(int64(s.slept()))
	}
	at, wall := s.read()
	zero := wall.Add(-at)
	s.began, s.calm, s.last, s.spans = at, at, zero, []span{{at, zero}}
	s.failed = at - observeRetry
	return s
}

// Now returns the time.
func (s *Steady) Now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, now := s.look()
	return now
}

// Since returns the earliest time that the clock can have shown within the last d. A
// stamp from before it is older than d, however the clock was set since.
func (s *Steady) Since(d time.Duration) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, now := s.look()
	return s.sinceAt(at, now, d)
}

func (s *Steady) sinceAt(at time.Duration, now time.Time, d time.Duration) time.Time {
	earliest := now.Add(-d)
	for first := range s.shown(at, d) {
		if first.Before(earliest) {
			earliest = first
		}
	}
	return earliest
}

// shown yields, for each earlier setting within the last d, the first and the last time
// that the clock showed under it.
func (s *Steady) shown(at, d time.Duration) iter.Seq2[time.Time, time.Time] {
	return func(yield func(first, last time.Time) bool) {
		for i := range len(s.spans) - 1 {
			begin, end := at-d, s.spans[i+1].from
			if end <= begin {
				continue
			}
			if i > 0 { // before the first span, an earlier process used the same clock
				begin = max(begin, s.spans[i].from)
			}
			if !yield(s.spans[i].zero.Add(begin), s.spans[i].zero.Add(end)) {
				return
			}
		}
	}
}

// Latest returns the latest time that the clock can have shown within the last d. A
// stamp that is later by more than [Skew] is older than d, and comes from a clock that
// was ahead. ok reports whether the process has run for d: before that, the result is
// not known to be right.
func (s *Steady) Latest(d time.Duration) (latest time.Time, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, now := s.look()
	return s.latestAt(at, now, d), at-s.began >= d
}

func (s *Steady) latestAt(at time.Duration, latest time.Time, d time.Duration) time.Time {
	for _, last := range s.shown(at, d) {
		if last.After(latest) {
			latest = last
		}
	}
	return latest
}

// After returns the time at which data that is kept for d from now expires. The clock
// may have been set back by mistake a while ago, and data must not expire early when
// that is corrected. So every setting that the clock had for at least [Grace] counts,
// like the present one, and the latest decides.
func (s *Steady) After(d time.Duration) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, now := s.look()
	return s.afterAt(at, now, d)
}

func (s *Steady) afterAt(at time.Duration, latest time.Time, d time.Duration) time.Time {
	s.longest = max(s.longest, d)
	for i := range len(s.spans) - 1 {
		begin, end := s.spans[i].from, s.spans[i+1].from
		if end-begin < Grace || at-end > s.longest { // corrected soon, or too long ago to matter
			continue
		}
		if t := s.spans[i].zero.Add(at); t.After(latest) {
			latest = t
		}
	}
	return latest.Add(d)
}

// Keeps says that data is kept for d, of which this process may not have stored any yet: an earlier
// one may have. [Steady.After] says the same of its own data.
func (s *Steady) Keeps(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.longest = max(s.longest, d)
}

// Settled returns the time up to which expired data may be deleted. Data whose expiry
// came from [Steady.After] has then been kept for its whole time.
//
// ok reports whether the clock may be trusted with that. It is false for [Grace] after
// the process began and after each jump, because a wrong clock would delete data that
// is needed, while a deletion can always wait. If the store has a time of its own, ok
// is true as soon as the store has been asked recently.
func (s *Steady) Settled() (upTo time.Time, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, upTo := s.look()
	for i := range len(s.spans) - 1 { // the slowest setting under which data that is still kept can have been stamped
		if t := s.spans[i].zero.Add(at); at-s.spans[i+1].from <= s.longest && t.Before(upTo) {
			upTo = t
		}
	}
	return upTo, s.settledAt(at)
}

func (s *Steady) settledAt(at time.Duration) bool {
	if s.store == decides {
		return !s.toObserve(at)
	}
	return s.store == none && !s.claimed && at-s.calm >= Grace
}

// Stamp has the results of all methods at one moment, for data that is stored then.
type Stamp struct {
	Now           time.Time
	Since, Latest time.Time // see [Steady.Since] and [Steady.Latest]
	Until         time.Time // see [Steady.After]
	Settled       bool      // see [Steady.Settled]
}

// Stamp reads the clock once and returns the results of all methods: it looks back over
// the first duration, and computes the expiry of data that is kept for the second.
func (s *Steady) Stamp(back, keep time.Duration) Stamp {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, now := s.look()
	return Stamp{now, s.sinceAt(at, now, back), s.latestAt(at, now, back), s.afterAt(at, now, keep), s.settledAt(at)}
}

// Ran returns how long the process has run, sleep included. It is cheap: sleep since the
// last call of another method is not counted yet.
func (s *Steady) Ran() time.Duration {
	return s.mono() + time.Duration(s.asleep.Load()) - s.began
}

// look reads the machine's clock and follows it, unless it jumped and has not kept its
// new time for Hold. It returns the monotonic time and the time that Steady shows.
func (s *Steady) look() (at time.Duration, now time.Time) {
	at, wall := s.read()
	last := &s.spans[len(s.spans)-1]
	if s.slept != nil && (at-s.awake >= tolerance || !near(wall, last.zero.Add(at), tolerance)) {
		if more := s.slept() - time.Duration(s.asleep.Load()); more > 0 {
			s.asleep.Add(int64(more))
			at += more
		}
		s.awake = at
	}
	zero := wall.Add(-at)
	if !near(zero, s.last, tolerance) {
		s.calm, s.doubt = at, true
	}
	s.last = zero
	switch {
	case near(zero, last.zero, tolerance):
		last.zero, s.claimed = zero, false
	case s.store == decides && !s.doubt: // the store has confirmed our time
	case !s.claimed || !near(zero, s.claim, tolerance):
		s.claim, s.claimed, s.claimSince = zero, true, at
	case at-s.claimSince >= Hold:
		s.set(at, zero)
	}
	return at, s.spans[len(s.spans)-1].zero.Add(at)
}

// set begins a new span, in which the clock shows another time.
func (s *Steady) set(at time.Duration, zero time.Time) {
	s.spans = append(s.spans, span{at, zero})
	s.claimed, s.calm = false, at
	if len(s.spans) > maxSpans { // merge the two oldest into the slower one, so that no data is deleted early
		first, second := s.spans[0], s.spans[1]
		if second.zero.Before(first.zero) {
			first.zero = second.zero
		}
		s.spans = append([]span{first}, s.spans[2:]...)
	}
}

// read reads both clocks at nearly the same moment.
func (s *Steady) read() (at time.Duration, wall time.Time) {
	asleep := time.Duration(s.asleep.Load())
	wall, at = s.wall().Round(0), s.mono()+asleep
	for range 3 {
		if len(s.spans) > 0 && near(wall, s.spans[len(s.spans)-1].zero.Add(at), tolerance) {
			break // they agree
		}
		before := at
		wall, at = s.wall().Round(0), s.mono()+asleep
		if at-before < tolerance/10 { // otherwise the process was paused between the two: read again
			break
		}
	}
	return at, wall
}

func near(a, b time.Time, within time.Duration) bool {
	d := a.Sub(b)
	return -within <= d && d <= within
}
