package incoming

import (
	"encoding/json"
	"maps"
	"slices"
	"unicode/utf8"

	"github.com/headgate/headgate/internal/platform/fault"
)

// CheckTasks checks that the body is {member: TaskData}, an object by task id of
// {"name": string, "priority": number}, and returns the data. Its errors name the task.
func CheckTasks(body []byte, member string) (json.RawMessage, error) {
	if !utf8.Valid(body) {
		return nil, fault.New(fault.Invalid, "the body is not UTF-8")
	}
	var form map[string]json.RawMessage
	if err := json.Unmarshal(body, &form); err != nil {
		return nil, fault.New(fault.Invalid, "the body must be a JSON object with %q", member)
	}
	data, ok := form[member]
	if !ok || string(data) == "null" {
		return nil, fault.New(fault.Invalid, "%s is required", member)
	}
	var tasks map[string]json.RawMessage
	if err := json.Unmarshal(data, &tasks); err != nil {
		return nil, fault.New(fault.Invalid, `%s is malformed: it must be {"id": {"name": text, "priority": number}}`, member)
	}
	for _, id := range slices.Sorted(maps.Keys(tasks)) {
		if err := checkTask(member+"."+id, tasks[id]); err != nil {
			return nil, err
		}
	}
	return data, nil
}

func checkTask(path string, text json.RawMessage) error {
	var task struct {
		Name     json.RawMessage `json:"name"`
		Priority json.RawMessage `json:"priority"`
	}
	if err := json.Unmarshal(text, &task); err != nil {
		return fault.New(fault.Invalid, `%s is malformed: it must be {"name": text, "priority": number}`, path)
	}
	given := func(v json.RawMessage) bool { return len(v) > 0 && string(v) != "null" }
	switch {
	case !given(task.Name), !given(task.Priority):
		return fault.New(fault.Invalid, "%s is malformed: name and priority are required", path)
	case task.Name[0] != '"':
		return fault.New(fault.Invalid, "%s.name is malformed: it must be text", path)
	case task.Priority[0] != '-' && (task.Priority[0] < '0' || task.Priority[0] > '9'):
		return fault.New(fault.Invalid, "%s.priority is malformed: it must be a number", path)
	}
	return nil
}
