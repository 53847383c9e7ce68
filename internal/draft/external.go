package draft

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"unicode"

	"github.com/headgate/headgate/internal/platform/fault"
)

// External is a Source: a list of Fluid's external-data service, or of another service
// with the same protocol: GET /fetch-tasks/{list} and POST /set-tasks/{list}.
type External struct {
	HTTP *http.Client
	URL  string // without a slash at the end
	List string
}

const maxList = 8 << 20

func (e *External) call(ctx context.Context, method, path, match string, body []byte) (*http.Response, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, e.URL+path+url.PathEscape(e.List), bytes.NewReader(body))
	if err != nil {
		return nil, nil, fault.New(fault.Invalid, "the URL of the draft's source is not valid")
	}
	req.Header.Set("Content-Type", "application/json")
	if match != "" {
		req.Header.Set("If-Match", match)
	}
	resp, err := e.HTTP.Do(req)
	if err != nil {
		if f, ok := errors.AsType[*fault.Error](err); ok {
			return nil, nil, f
		}
		return nil, nil, fault.Wrap(fault.Unavailable, fault.WithoutURL(err), "%s does not answer", req.URL.Host)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxList+1))
	if err != nil || len(b) > maxList {
		return nil, nil, fault.New(fault.Unavailable, "the answer of %s broke off, or is over %d bytes", req.URL.Host, maxList)
	}
	switch {
	case resp.StatusCode == http.StatusPreconditionFailed:
		return nil, nil, ErrSourceChanged
	case resp.StatusCode == http.StatusBadRequest || resp.StatusCode == http.StatusUnprocessableEntity || resp.StatusCode == http.StatusRequestEntityTooLarge:
		return nil, nil, fault.New(fault.Invalid, "%s refuses the request: it answers %s%s", req.URL.Host, fault.Status(resp.StatusCode), reason(b))
	case resp.StatusCode >= 300:
		return nil, nil, fault.New(fault.Unavailable, "%s answers %s%s", req.URL.Host, fault.Status(resp.StatusCode), reason(b))
	}
	return resp, b, nil
}

// maxReason bounds how much of a source's answer people are shown, in characters.
const maxReason = 300

// reason returns what a source says about its refusal, after ": "; "" if it says nothing. The
// answer is JSON with message, detail (RFC 9457), title or error, or else plain text. A
// page of HTML is left out.
func reason(body []byte) string {
	text := string(body)
	var fields map[string]any
	if json.Unmarshal(body, &fields) == nil {
		text = ""
		for _, name := range []string{"message", "detail", "error", "title"} {
			v := fields[name]
			if inner, ok := v.(map[string]any); ok { // {"error": {"message": …}}
				v = inner["message"]
			}
			if said, ok := v.(string); ok && said != "" {
				text = said
				break
			}
		}
	}
	text = strings.Join(strings.Fields(strings.ToValidUTF8(text, "\uFFFD")), " ")
	text = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return -1
	}, text)
	if text == "" || strings.HasPrefix(text, "<") {
		return ""
	}
	if r := []rune(text); len(r) > maxReason {
		text = string(r[:maxReason]) + "…"
	}
	return ": " + text
}

// Fetch implements Source.
func (e *External) Fetch(ctx context.Context) (Rows, string, error) {
	resp, b, err := e.call(ctx, http.MethodGet, "/fetch-tasks/", "", nil)
	if err != nil {
		return nil, "", err
	}
	var form struct {
		TaskList Rows `json:"taskList"`
	}
	if err := Decode(b, &form); err != nil || form.TaskList == nil {
		return nil, "", fault.New(fault.Unavailable, "the source does not answer with a taskList")
	}
	for id, row := range form.TaskList {
		if row == nil {
			return nil, "", fault.New(fault.Unavailable, "the source answers with a taskList whose row %.100q has no fields", id)
		}
	}
	version := resp.Header.Get("ETag")
	if version == "" || strings.HasPrefix(version, "W/") { // RFC 9110, 13.1.1: a weak ETag never satisfies If-Match
		sum := sha256.Sum256(b)
		version = hashed + hex.EncodeToString(sum[:8])
	}
	return form.TaskList, version, nil
}

// hashed marks a version that we computed, because the source has no strong ETag.
const hashed = "sha256:"

// Save implements Source. If the source has no strong ETag, Save fetches the list right
// before it writes, and compares. A change in that moment is overwritten; the webhook
// about it still arrives.
func (e *External) Save(ctx context.Context, rows, _ Rows, version string) (map[string]string, error) {
	match := version
	if len(version) > len(hashed) && version[:len(hashed)] == hashed {
		match = ""
		if _, now, err := e.Fetch(ctx); err != nil || now != version {
			if err == nil {
				err = ErrSourceChanged
			}
			return nil, err
		}
	}
	body, err := json.Marshal(map[string]Rows{"taskList": rows})
	if err != nil {
		return nil, err
	}
	_, _, err = e.call(ctx, http.MethodPost, "/set-tasks/", match, body)
	return nil, err
}
