// Package decode reads JSON into Go structs and collects every fault of the text, each
// with its path. The struct is the declaration: its tags hold what a field may be.
//
//	json:"name"            the field's name
//	decode:"required"      it must be there; and a text must not be empty
//	decode:"nullable"      null means omitted, even where the document is read strictly
//	decode:"secret"        no message shows its value
//	decode:"anycase"       an enum's value in any letter case; it is stored as declared
//	default:"5"            stands for a field that is omitted, null, 0 or "" (see below)
//	range:"1..60 seconds"  least and most of a number; what follows is for the message
//	enum:"a b"             the values of a text, or of the texts of a list
//	format:"name"          a [Format] of a text, or of the texts of a list
//	least:"2 endpoints"    how many items a list has at least
//
// A value that is omitted satisfies every rule but required. So does the zero value of a
// field that is not required: "" and 0 mean omitted. In a document that is read strictly, a 0
// that is outside the range of a field is a fault all the same, unless the field is nullable.
//
// A fault never stops the reading: what can be read is read. So after a fault the struct
// is only good for finding more of them. [Faults.Add] drops a message about a value that
// could not be read, so that rules may be applied to the struct without looking.
//
// The caller bounds the size of the text. Beside the struct, reading takes memory only
// for the first faults.
package decode

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/headgate/headgate/internal/platform/fault"
)

// maxFaults is the most faults that a report has: a text of a megabyte may have a hundred
// thousand, and nobody reads more than these.
const maxFaults = 100

// Format is a rule for texts that several fields share.
type Format struct {
	// NotEmpty refuses "", as an item of a list: elsewhere it means omitted.
	NotEmpty bool
	// A text must match Pattern and must not match Not; nil: no such rule.
	// They are in the JSON Schema.
	Pattern, Not *regexp.Regexp
	// Must says what the text must be, as in "must be a host or host:port".
	Must string
	// Check replaces Pattern and Not: it returns the fault of a text, or "". Its result must
	// not show a secret.
	Check func(text string) string
	// Show makes a text fit for a message; nil: it is shown as it is.
	Show func(text string) string
}

// Formats are the formats by name.
type Formats map[string]Format

// Faults reads values and collects what is wrong with them. Its zero value is ready.
type Faults struct {
	// Formats are those that tags name.
	Formats Formats
	// Strict refuses what encoding/json lets pass: null, the same name twice, and text
	// that is not UTF-8. Otherwise null means omitted, and of a name the last counts. It also
	// refuses a 0 that is outside the range of a field that is not nullable: whoever writes
	// "keep for 0 days" does not mean the default.
	Strict bool
	// AnyCase takes names in any letter case, as encoding/json does.
	AnyCase bool
	// Unknown returns the message about a field that is not known, "" for the usual one.
	// May be nil.
	Unknown func(path, name string) string

	details []fault.Detail
	more    bool            // than maxFaults
	wrong   map[string]bool // the paths whose values break a rule of a tag
	broken  map[string]bool // the paths whose values could not be read
	plans   map[reflect.Type][]Field
}

// Details returns the faults in the order in which they were found.
func (f *Faults) Details() []fault.Detail { return f.details }

// Add reports a fault of the value at a path, unless that value breaks a rule of its tags
// or could not be read.
func (f *Faults) Add(path, format string, args ...any) {
	if f.wrong[path] || f.broken[""] {
		return
	}
	for p := path; p != ""; p = p[:max(strings.LastIndexAny(p, ".["), 0)] {
		if f.broken[p] {
			return
		}
	}
	f.report(path, format, args...)
}

// unreadable reports a fault of a value that is not in the struct afterwards.
func (f *Faults) unreadable(path, format string, args ...any) {
	if f.report(path, format, args...) {
		if f.broken == nil {
			f.broken = make(map[string]bool)
		}
		f.broken[path] = true
	}
}

// breaks reports that a value breaks a rule of its tags.
func (f *Faults) breaks(path, format string, args ...any) {
	if f.report(path, format, args...) {
		if f.wrong == nil {
			f.wrong = make(map[string]bool)
		}
		f.wrong[path] = true
	}
}

// report adds the fault, and reports whether there was room for the fault.
func (f *Faults) report(path, format string, args ...any) bool {
	switch {
	case f.more:
		return false
	case len(f.details) == maxFaults:
		f.more = true
		f.details = append(f.details, fault.Detail{Path: "", Message: fmt.Sprintf("there are more faults: these are the first %d", maxFaults)})
		return false
	}
	if one := (fault.Detail{Path: path, Message: fmt.Sprintf(format, args...)}); !slices.Contains(f.details, one) {
		f.details = append(f.details, one)
	}
	return true
}

// Decode reads exactly one JSON value into what into points to, which is of strings,
// numbers, booleans, structs, pointers, slices, maps by name, [json.RawMessage] and any.
// Numbers in an any are a json.Number. path is that of the value: "$" for a document.
func (f *Faults) Decode(path string, data []byte, into any) {
	if where, err := check(data, f.Strict); err != nil {
		f.unreadable(path, "%s: %s%s", err.kind, where, err.text)
		return
	}
	t := &text{data: data}
	f.value(path, t, reflect.ValueOf(into).Elem(), Rules{})
}

// Fill sets the defaults of the struct that into points to, as if a document had omitted
// all of its fields.
func (f *Faults) Fill(into any) { f.setDefaults(reflect.ValueOf(into).Elem()) }

var plainName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]*$`)

// Member returns the path of an object's member.
func Member(path, name string) string {
	switch name = Short(name); {
	case path == "" && plainName.MatchString(name):
		return name
	case plainName.MatchString(name):
		return path + "." + name
	}
	return path + "[" + strconv.Quote(name) + "]"
}

// Index returns the path of a list's item.
func Index(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

// Short shortens a text and makes it printable, so that a message with it stays readable.
func Short(text string) string {
	const most = 80
	if len(text) <= most {
		return text
	}
	if r := []rune(text); len(r) > most {
		return string(r[:most]) + "…"
	}
	return text
}
