package mock

import (
	"cmp"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// filtered applies a filter of LoopBack: where, order, limit, skip (or offset).
func filtered(rows []Row, text string) ([]Row, error) {
	if text == "" {
		return rows, nil
	}
	v, err := decode([]byte(text))
	filter, ok := v.(map[string]any)
	if err != nil || !ok {
		return nil, fmt.Errorf("filter is not a JSON object")
	}
	if where, ok := filter["where"]; ok && where != nil {
		m, ok := where.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("where must be an object")
		}
		kept := []Row{}
		for _, row := range rows {
			holds, err := matches(row, m)
			if err != nil {
				return nil, err
			}
			if holds {
				kept = append(kept, row)
			}
		}
		rows = kept
	}
	if err := sortRows(rows, filter["order"]); err != nil {
		return nil, err
	}
	skip, limit := filter["skip"], filter["limit"]
	if skip == nil {
		skip = filter["offset"]
	}
	rows = rows[min(whole(skip, 0), len(rows)):]
	return rows[:min(whole(limit, len(rows)), len(rows))], nil
}

func whole(v any, otherwise int) int {
	n, err := strconv.Atoi(fmt.Sprint(v))
	if err != nil || n < 0 {
		return otherwise
	}
	return n
}

func sortRows(rows []Row, order any) error {
	var terms []string
	switch o := order.(type) {
	case nil:
		return nil
	case string:
		terms = strings.Split(o, ",")
	case []any:
		for _, t := range o {
			terms = append(terms, fmt.Sprint(t))
		}
	default:
		return fmt.Errorf("order must be a string or an array")
	}
	slices.SortStableFunc(rows, func(a, b Row) int {
		for _, term := range terms {
			name, direction, _ := strings.Cut(strings.TrimSpace(term), " ")
			c := compare(a[name], b[name])
			if strings.EqualFold(direction, "DESC") {
				c = -c
			}
			if c != 0 {
				return c
			}
		}
		return 0
	})
	return nil
}

func matches(row Row, where map[string]any) (bool, error) {
	for name, cond := range where {
		holds, err := condition(row, name, cond)
		if err != nil || !holds {
			return false, err
		}
	}
	return true, nil
}

func condition(row Row, name string, cond any) (bool, error) {
	if name == "and" || name == "or" {
		list, ok := cond.([]any)
		if !ok {
			return false, fmt.Errorf("%s must be an array", name)
		}
		for _, e := range list {
			m, ok := e.(map[string]any)
			if !ok {
				return false, fmt.Errorf("%s must be an array of conditions", name)
			}
			holds, err := matches(row, m)
			if err != nil {
				return false, err
			}
			if holds != (name == "and") {
				return holds, nil
			}
		}
		return name == "and", nil
	}
	ops, ok := cond.(map[string]any)
	if !ok {
		return equal(row[name], cond), nil
	}
	for op, want := range ops {
		holds, err := operator(row[name], op, want)
		if err != nil || !holds {
			return false, err
		}
	}
	return true, nil
}

func operator(have any, op string, want any) (bool, error) {
	among := func() bool {
		list, _ := want.([]any)
		return slices.ContainsFunc(list, func(w any) bool { return equal(have, w) })
	}
	switch op {
	case "neq":
		return !equal(have, want), nil
	case "inq":
		return among(), nil
	case "nin":
		return !among(), nil
	case "gt", "gte", "lt", "lte":
		if have == nil || want == nil { // as in SQL
			return false, nil
		}
		c := compare(have, want)
		return op == "gt" && c > 0 || op == "gte" && c >= 0 || op == "lt" && c < 0 || op == "lte" && c <= 0, nil
	}
	return false, fmt.Errorf("the operator %q is not supported", op)
}

func equal(a, b any) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	switch a.(type) {
	case map[string]any, []any:
		return reflect.DeepEqual(a, b)
	}
	return compare(a, b) == 0
}

// compare orders values as a database does: null first, then as numbers, times or text.
// "12" equals 12, because a model has types, but a filter in a URL does not.
func compare(a, b any) int {
	if a == nil || b == nil {
		switch {
		case a != nil:
			return 1
		case b != nil:
			return -1
		}
		return 0
	}
	if ta, ok := instant(a); ok {
		if tb, ok := instant(b); ok {
			return ta.Compare(tb)
		}
	}
	_, na := a.(json.Number)
	_, nb := b.(json.Number)
	if na || nb {
		fa, errA := strconv.ParseFloat(fmt.Sprint(a), 64)
		fb, errB := strconv.ParseFloat(fmt.Sprint(b), 64)
		if errA == nil && errB == nil {
			return cmp.Compare(fa, fb)
		}
	}
	return cmp.Compare(fmt.Sprint(a), fmt.Sprint(b))
}
