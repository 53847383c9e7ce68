package calendar

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// most is the greatest number of seconds: 366 days.
const most = 366 * 24 * 60 * 60

// FieldError says what is wrong with one field: "every", "at" or "timeZone".
type FieldError struct{ Field, Message string }

func (e *FieldError) Error() string { return e.Field + ": " + e.Message }

// Errors holds all faults of a rule, in the order of the fields. errors.As finds it in the
// error of Parse, and also finds the first *FieldError.
type Errors []*FieldError

func (e Errors) Error() string {
	texts := make([]string, len(e))
	for i, one := range e {
		texts[i] = one.Error()
	}
	return strings.Join(texts, "\n")
}

// Unwrap returns the faults one by one.
func (e Errors) Unwrap() []error {
	list := make([]error, len(e))
	for i, one := range e {
		list[i] = one
	}
	return list
}

func (e *Errors) add(field, form string, args ...any) {
	*e = append(*e, &FieldError{field, fmt.Sprintf(form, args...)})
}

// Parse reads a rule. The unit is hour, day, week, month or a number of seconds in digits.
// The local time at which an interval begins is HH:MM, or :MM for an hour; "" is 00:00.
// The zone is an IANA name; "" is UTC. An error of Parse is an Errors with all faults.
func Parse(every, at, zone string) (Rule, error) {
	var faults Errors
	r := Rule{zone: time.UTC}
	r.readEvery(every, &faults)
	r.readAt(at, &faults)
	// "Local" is the zone of the machine, which differs between instances.
	if z, err := time.LoadLocation(zone); err != nil || zone == "Local" {
		faults.add("timeZone", "%q is not the name of a time zone, such as Europe/Berlin", zone)
	} else {
		r.zone = z
	}
	if r.unit == seconds && (at != "" || r.zone != time.UTC) && r.length > 0 {
		if r.unit = shift; 24*time.Hour%r.length != 0 {
			faults.add("every", "%s seconds do not divide a day of 86400 seconds, as they must with at or timeZone, "+
				"because they are counted from the beginning of each day", every)
		}
	}
	if faults != nil {
		return Rule{}, faults
	}
	return r, nil
}

func (r *Rule) readEvery(every string, faults *Errors) {
	switch every {
	case "hour":
		r.unit = hour
	case "day":
		r.unit = day
	case "week":
		r.unit = week
	case "month":
		r.unit = month
	default:
		n, err := strconv.ParseUint(every, 10, 32)
		if err != nil || n < 1 || n > most {
			faults.add("every", "%q is neither hour, day, week or month nor a number of seconds from 1 to %d", every, most)
			return
		}
		r.length = time.Duration(n) * time.Second
	}
}

func (r *Rule) readAt(at string, faults *Errors) {
	if at == "" {
		return
	}
	text := at
	unknown := r.unit == seconds && r.length == 0 // perhaps an hour, misspelt
	if (r.unit == hour || unknown) && strings.HasPrefix(at, ":") {
		text = "00" + at
	}
	clock, err := time.Parse("15:04", text)
	switch {
	case r.unit == hour && (err != nil || len(text) != 5 || clock.Hour() != 0):
		faults.add("at", "%q is not the minute at which an hour begins, such as :15", at)
	case err != nil || len(text) != 5: // time.Parse accepts an hour of one digit
		faults.add("at", "%q is not a time of day, such as 06:00", at)
	default:
		r.at = time.Duration(clock.Hour())*time.Hour + time.Duration(clock.Minute())*time.Minute
	}
}
