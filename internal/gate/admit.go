package gate

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/headgate/headgate/internal/gate/expression"
	"github.com/headgate/headgate/internal/gate/window"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/store"
)

// Left says why an event that was acknowledged is not stored.
type Left string

// The reasons for which an event is not stored.
const (
	Filtered Left = "filtered" // the endpoint's filter is false
	NoKey    Left = "noKey"    // it has no correlation key, and onMissing is drop
	Late     Left = "late"     // its window has closed, and late is drop
	NoRoute  Left = "noRoute"  // no route of its feed takes it, and otherwise is drop
)

// deadLetter is the policy by which an event goes to the dead letters.
const deadLetter = "deadLetter"

// admission is the decision of the rules about an incoming event.
type admission struct {
	left   Left         // "": it is stored
	letter string       // why it goes to the dead letters; "": it does not
	key    string       // its correlation key, as far as it is known
	name   string       // its idempotency key; "": none
	place  *store.Place // nil: in the plain set
}

// failed returns what becomes of an event for which the expression in a field fails.
func (e *endpointRules) failed(a admission, field string, err error) (admission, error) {
	if e.toLetters {
		a.letter = field
		return a, nil
	}
	return a, refused(field, err)
}

// admit applies the rules of the endpoint to an event that was received at the instant now.
// It is a function of its arguments alone. The error is Invalid, and names the expression.
func (r *rules) admit(endpoint int, e *expression.Event, name string, now time.Time) (a admission, err error) {
	rule := &r.endpoints[endpoint]
	a.name = name
	if rule.filter != nil {
		counts, err := rule.filter.Bool(e)
		if err != nil {
			return rule.failed(a, "filter", err)
		}
		if !counts {
			return admission{left: Filtered}, nil
		}
	}
	if rule.id != nil && name == "" {
		id, err := rule.id.Text(e)
		if err != nil {
			return rule.failed(a, "id", err)
		}
		if id == "" {
			return rule.failed(a, "id", errors.New("it gives no text"))
		}
		a.name = "id:" + id
	}
	if !r.byKey {
		return a, nil
	}
	p := &store.Place{At: now}
	if rule.key != nil {
		key, err := rule.correlationKey(e)
		switch {
		case err != nil && r.onMissing == "drop":
			return admission{left: NoKey}, nil
		case err != nil && r.onMissing == deadLetter:
			a.letter = keyField
			return a, nil
		case err != nil:
			return a, refused(keyField, err)
		}
		p.Key, a.key = key, key
	}
	interval := "" // one value counts once in each
	if r.shape.Kind == window.Tumbling {
		var late bool
		if p.At, late, err = r.tumblingTime(e, now); err != nil {
			return rule.failed(a, timeField, err)
		}
		if late && r.late == "drop" {
			return admission{left: Late}, nil
		}
		if late && r.late == deadLetter {
			a.letter = string(Late)
			return a, nil
		}
		start, _ := r.shape.Interval(p.At)
		interval = strconv.FormatInt(start.UnixMicro(), 10)
	}
	if rule.distinct != nil {
		value, err := rule.distinct.Text(e)
		if err != nil {
			return rule.failed(a, "distinct", err)
		}
		p.Slot, p.KeepFirst = slotOf(interval, value), rule.keepFirst
		p.Over = r.shape.Over(now)
		p.HoldAt = r.slotsMove() // a window does not move when an event takes another's place, and is due by its oldest
	}
	a.place = p
	return a, nil
}

// correlationKey returns the key that the endpoint's expression gives the event.
func (e *endpointRules) correlationKey(in *expression.Event) (string, error) {
	key, err := e.key.Text(in)
	switch {
	case err != nil:
		return "", err
	case key == "":
		return "", errors.New("it gives no text")
	case len(key) > store.MaxKeyBytes:
		return "", errors.New("it gives " + strconv.Itoa(len(key)) + " bytes, and " + strconv.Itoa(store.MaxKeyBytes) + " is the most")
	}
	return key, nil
}

// slotOf returns the slot of a distinct value; interval is "" unless windows tumble.
func slotOf(interval, value string) string {
	sum := sha256.Sum256([]byte(interval + "\x00" + value))
	return hex.EncodeToString(sum[:16])
}

// tumblingTime returns the time by which an event belongs to an interval. late reports
// that the interval of its own time has closed; then it is the receipt.
func (r *rules) tumblingTime(e *expression.Event, now time.Time) (at time.Time, late bool, err error) {
	if r.eventTime == nil {
		return now, false, nil
	}
	if at, err = r.eventTime.Time(e); err != nil {
		return now, false, err
	}
	at = whole(at)
	if at.After(now.Add(r.mostAhead())) {
		return now, false, errors.New("it gives a time that is more than an interval and a day ahead")
	}
	if _, end := r.shape.Interval(at); !now.Before(end.Add(r.shape.Grace)) {
		return now, true, nil
	}
	return at, false, nil
}

// The fields whose names are used more than once.
const (
	keyField  = "correlation.key"
	timeField = "trigger.eventTime"
)

// refused says which expression refused an event. An expression's error never has a value
// of the event in it.
func refused(field string, err error) error {
	return refusal("the expression in %q refuses the event: %s", field, err)
}

// MaxRefusal bounds the message of a refusal, in bytes. The answer to a batch has one for
// each item.
const MaxRefusal = 400

func refusal(format string, args ...any) error {
	return fault.New(fault.Invalid, "%s", cutAt(fmt.Sprintf(format, args...), MaxRefusal))
}

// seen returns what an expression sees of an event.
func seen(in *Incoming, now time.Time) *expression.Event {
	e := &expression.Event{EventKey: in.EventKey, ReceivedAt: now, Meta: in.Meta, Content: in.Content}
	if in.Push != nil {
		e.Attributes = in.Push.Attributes
	}
	return e
}
