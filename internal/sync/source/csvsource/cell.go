package csvsource

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/headgate/headgate/internal/record"
)

// keyOf returns one text for the values of a key.
func keyOf(parts []any) string {
	texts := make([]string, len(parts))
	for i, p := range parts {
		texts[i] = text(p)
	}
	return joined(texts)
}

// joined returns one text for the parts of a key. A cell may have any bytes, so each part
// begins with its length: otherwise two keys could be one.
func joined(parts []string) string {
	var b strings.Builder
	for _, p := range parts {
		b.WriteString(strconv.Itoa(len(p)) + ":" + p)
	}
	return b.String()
}

// text returns the value as the text of a cell.
func text(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	case time.Time:
		return v.UTC().Format(time.RFC3339Nano)
	default:
		b, err := record.Canonical(v)
		if err != nil {
			return fmt.Sprint(v)
		}
		return string(b)
	}
}

// sameCell reports whether a cell means the value v. People write the same value in other
// ways, such as 1.50 or TRUE, and that is no conflict.
func sameCell(cell string, v any) bool {
	if cell == text(v) {
		return true
	}
	switch v := v.(type) {
	case bool:
		b, err := strconv.ParseBool(strings.ToLower(cell))
		return err == nil && b == v
	case int64, float64, json.Number:
		a, errA := strconv.ParseFloat(cell, 64)
		b, errB := strconv.ParseFloat(text(v), 64)
		return errA == nil && errB == nil && a == b
	case time.Time:
		t, err := time.Parse(time.RFC3339Nano, cell)
		return err == nil && t.Equal(v)
	case string:
		a, errA := time.Parse(time.RFC3339Nano, cell)
		b, errB := time.Parse(time.RFC3339Nano, v)
		return errA == nil && errB == nil && a.Equal(b)
	}
	return false
}
