package clock

import (
	"iter"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// tolerance is the difference between two looks at the clock that is taken for a
	// correction, as NTP makes them, and followed at once. More is a jump.
	tolerance = time.Second
	// Hold is how long the clock must keep to what it jumped to before it is believed.
	Hold = 5 * time.Minute
	// Grace is how long the clock must have run without a jump before anything may be
	// deleted by it. NTP has corrected a wrong clock by then.
	Grace = 30 * time.Minute
	// maxSpans bounds the memory of earlier settings. A clock that is set more often
	// than this is remembered as one that was slow.
	maxSpans = 64
)

// Steady is the clock of a process. It shows what the machine's clock shows, but is
// not moved by a jump of that: it goes on as the monotonic clock does until the
// machine's clock has kept to its new time for [Hold]. So a clock that is wrong for
// a moment has no effect at all. Where the store has a time of its own, that decides,
// and at once; only if nobody asks it for [Hold] is the machine's clock believed until
// somebody does.
//
// It remembers what it was set to before. [Steady.Since] and [Steady.Latest] look
// back over a span of true time, so that what was stamped before a correction is not
// taken for older or newer than it is.
// It does not remember across restarts: a process that begins with a wrong clock, and
// has no store to ask, stamps with it until it is corrected. It deletes nothing by it.
//
// The zero value is of no use; see [New]. All methods may be called concurrently.
type Steady struct {
	wall  func() time.Time
	mono  func() time.Duration
	slept func() time.Duration // nil: the monotonic clock counts sleep

	asleep atomic.Int64 // of slept, that has been added to mono
	alone  atomic.Bool  // the store has no time

	mu    sync.Mutex
	awake time.Duration // when slept was asked last
	began time.Duration // as all times here: of the monotonic clock, plus asleep
	calm  time.Duration // since when nothing has jumped
	spans []span        // never empty; the last is in force
	last  time.Time     // what the machine's clock showed at the last look, at 0
	doubt bool          // the clock jumped since the store was asked

	claim      time.Time // what the machine's clock wants the last span's zero to be
	claimed    bool
	claimSince time.Duration

	store    opinion
	observed time.Duration // when the store was asked last
	failed   time.Duration // when it did not answer last
	asked    *question     // nil: it is not being asked

	longest time.Duration // that anything is kept for
}

// span is a time during which the clock ran undisturbed.
type span struct {
	from time.Duration
	zero time.Time // what it showed, or would have shown, at 0
}

// Options of a [Steady].
type Options struct {
	Wall func() time.Time     // the machine's clock
	Mono func() time.Duration // a clock that cannot be set, from any zero
	// Slept is how long the machine has slept, which Mono does not count. It is asked
	// when the two differ. nil: Mono counts it.
	Slept func() time.Duration
	// Longest is the longest that anything is kept of which [Steady.After] is not asked.
	Longest time.Duration
}

// New returns a clock that shows what the machine's clock does now.
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

// Since returns the earliest time that the clock can have shown within the last d:
// what was stamped before it is older than d, whatever the clock was set to since.
func (s *Steady) Since(d time.Duration) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, now := s.look()
	return s.since(at, now, d)
}

func (s *Steady) since(at time.Duration, now time.Time, d time.Duration) time.Time {
	earliest := now.Add(-d)
	for first := range s.shown(at, d) {
		if first.Before(earliest) {
			earliest = first
		}
	}
	return earliest
}

// shown yields the first and the last time that the clock showed under each earlier
// setting within the last d.
func (s *Steady) shown(at, d time.Duration) iter.Seq2[time.Time, time.Time] {
	return func(yield func(first, last time.Time) bool) {
		for i := range len(s.spans) - 1 {
			begin, end := at-d, s.spans[i+1].from
			if end <= begin {
				continue
			}
			if i > 0 { // before the first span another process ran, by the same clock
				begin = max(begin, s.spans[i].from)
			}
			if !yield(s.spans[i].zero.Add(begin), s.spans[i].zero.Add(end)) {
				return
			}
		}
	}
}

// Latest returns the latest time that the clock can have shown within the last d:
// what is stamped after it (and by more than [Skew]) was stamped before that, by a
// clock that was ahead. ok reports whether the process has run for d, and so knows.
func (s *Steady) Latest(d time.Duration) (latest time.Time, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, now := s.look()
	return s.latest(at, now, d), at-s.began >= d
}

func (s *Steady) latest(at time.Duration, latest time.Time, d time.Duration) time.Time {
	for _, last := range s.shown(at, d) {
		if last.After(latest) {
			latest = last
		}
	}
	return latest
}

// After returns when d from now have passed in truth: what is to be kept for d expires
// then. The clock may have been set back by mistake a while ago. So a setting that it
// had kept to for [Grace] counts as well as the present one, and the later decides.
func (s *Steady) After(d time.Duration) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, now := s.look()
	return s.after(at, now, d)
}

func (s *Steady) after(at time.Duration, latest time.Time, d time.Duration) time.Time {
	s.longest = max(s.longest, d)
	for i := range len(s.spans) - 1 {
		begin, end := s.spans[i].from, s.spans[i+1].from
		if end-begin < Grace || at-end > s.longest { // it was corrected at once, or is long past
			continue
		}
		if t := s.spans[i].zero.Add(at); t.After(latest) {
			latest = t
		}
	}
	return latest.Add(d)
}

// Settled returns the time by which things may be deleted: what was to be kept until
// a time that [Steady.After] gave has been kept that long in truth. ok is false for
// [Grace] after the process began and after each jump: a clock that is wrong would
// delete what is needed, and nothing needs to be deleted soon. Where the store has a
// time of its own it is enough that it has been asked of late.
func (s *Steady) Settled() (upTo time.Time, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, upTo := s.look()
	for i := range len(s.spans) - 1 { // as slow as it was while anything was stamped that is still kept
		if t := s.spans[i].zero.Add(at); at-s.spans[i+1].from <= s.longest && t.Before(upTo) {
			upTo = t
		}
	}
	return upTo, s.settled(at)
}

func (s *Steady) settled(at time.Duration) bool {
	if s.store == decides {
		return !s.toObserve(at)
	}
	return s.store == none && !s.claimed && at-s.calm >= Grace
}

// Stamp is what the clock says at one moment, for what is stored then.
type Stamp struct {
	Now           time.Time
	Since, Latest time.Time // see [Steady.Since] and [Steady.Latest]
	Until         time.Time // see [Steady.After]
	Settled       bool      // see [Steady.Settled]
}

// Stamp looks at the clock once, and is as all the methods are together: it looks back
// for as long, and gives the time when what is to be kept for that long expires.
func (s *Steady) Stamp(back, keep time.Duration) Stamp {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, now := s.look()
	return Stamp{now, s.since(at, now, back), s.latest(at, now, back), s.after(at, now, keep), s.settled(at)}
}

// Ran returns how long the process has run, sleep included. It is cheap, and does not
// look whether the machine has slept since another method did.
func (s *Steady) Ran() time.Duration {
	return s.mono() + time.Duration(s.asleep.Load()) - s.began
}

// look follows the machine's clock, if it is to be believed.
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
	case s.store == decides && !s.doubt: // the store knows better
	case !s.claimed || !near(zero, s.claim, tolerance):
		s.claim, s.claimed, s.claimSince = zero, true, at
	case at-s.claimSince >= Hold:
		s.set(at, zero)
	}
	return at, s.spans[len(s.spans)-1].zero.Add(at)
}

// set has the clock show another time from now on.
func (s *Steady) set(at time.Duration, zero time.Time) {
	s.spans = append(s.spans, span{at, zero})
	s.claimed, s.calm = false, at
	if len(s.spans) > maxSpans { // two become one, as slow as the slower: nothing is deleted early
		first, second := s.spans[0], s.spans[1]
		if second.zero.Before(first.zero) {
			first.zero = second.zero
		}
		s.spans = append([]span{first}, s.spans[2:]...)
	}
}

// read looks at both clocks at the same time, or nearly.
func (s *Steady) read() (at time.Duration, wall time.Time) {
	asleep := time.Duration(s.asleep.Load())
	wall, at = s.wall().Round(0), s.mono()+asleep
	for range 3 {
		if len(s.spans) > 0 && near(wall, s.spans[len(s.spans)-1].zero.Add(at), tolerance) {
			break // they agree
		}
		before := at
		wall, at = s.wall().Round(0), s.mono()+asleep
		if at-before < tolerance/10 { // else the process was held up between the two
			break
		}
	}
	return at, wall
}

func near(a, b time.Time, within time.Duration) bool {
	d := a.Sub(b)
	return -within <= d && d <= within
}
