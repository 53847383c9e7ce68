package simulation

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"time"
)

// Expected is a line that is expected. Only the fields that it has are compared, and so of
// an alert. A person need not write ids that only a simulation knows.
type Expected struct {
	text   string
	fields map[string]any
}

// ReadExpected reads expected lines. Empty lines, and those that begin with "//", are skipped.
func ReadExpected(r io.Reader) ([]Expected, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 64<<10), maxLine)
	var all []Expected
	for n := 1; lines.Scan(); n++ {
		line := bytes.TrimSpace(lines.Bytes())
		if len(line) == 0 || bytes.HasPrefix(line, []byte("//")) {
			continue
		}
		d := json.NewDecoder(bytes.NewReader(line))
		d.DisallowUnknownFields()
		if err := d.Decode(new(Line)); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		e := Expected{text: string(line)}
		if err := json.Unmarshal(line, &e.fields); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		all = append(all, e)
	}
	return all, lines.Err()
}

// matches reports whether the line has all fields that are expected.
func (e Expected) matches(fields map[string]any) bool { return hasAll(fields, e.fields) }

func hasAll(fields, expected map[string]any) bool {
	for name, want := range expected {
		got, ok := fields[name]
		if alert, isAlert := want.(map[string]any); isAlert && name == "alert" {
			if its, ok := got.(map[string]any); ok && hasAll(its, alert) {
				continue
			}
		}
		if !ok || !reflect.DeepEqual(want, got) && !sameTime(want, got) {
			return false
		}
	}
	return true
}

// sameTime reports whether both are the same instant, in whatever zone it is written.
func sameTime(a, b any) bool {
	x, isText := a.(string)
	y, alsoText := b.(string)
	if !isText || !alsoText {
		return false
	}
	at, err := time.Parse(time.RFC3339Nano, x)
	if err != nil {
		return false
	}
	other, err := time.Parse(time.RFC3339Nano, y)
	return err == nil && at.Equal(other)
}

// nearby is the number of lines that Compare looks ahead for the place at which two lists
// agree again.
const nearby = 100

// Compare returns the difference in the form of a diff: the lines that are missing, each
// after "- ", and those that are not expected, each after "+ ". It returns none if each line
// is as expected.
func Compare(expected []Expected, got []*Line) (difference []string, err error) {
	texts, fields := make([]string, len(got)), make([]map[string]any, len(got))
	for i, l := range got {
		text, err := json.Marshal(l)
		if err != nil {
			return nil, err
		}
		texts[i] = string(text)
		if err := json.Unmarshal(text, &fields[i]); err != nil {
			return nil, err
		}
	}
	e, g := 0, 0
	for e < len(expected) || g < len(got) {
		missing, more := agree(expected[e:], fields[g:])
		for range missing {
			difference = append(difference, "- "+expected[e].text)
			e++
		}
		for range more {
			difference = append(difference, "+ "+texts[g])
			g++
		}
		if e < len(expected) && g < len(got) && expected[e].matches(fields[g]) {
			e, g = e+1, g+1
		}
	}
	return difference, nil
}

// agree returns how many expected lines and how many others stand before the next two that
// agree. Nothing agrees any more if it returns all of them.
func agree(expected []Expected, got []map[string]any) (missing, more int) {
	for sum := 0; sum <= min(len(expected)+len(got), nearby); sum++ {
		for missing := max(0, sum-len(got)); missing <= min(sum, len(expected)); missing++ {
			more := sum - missing
			if missing == len(expected) && more == len(got) {
				return missing, more
			}
			if missing < len(expected) && more < len(got) && expected[missing].matches(got[more]) {
				return missing, more
			}
		}
	}
	if len(expected) > 0 && len(got) > 0 { // far apart: give up these two
		return 1, 1
	}
	return len(expected), len(got)
}
