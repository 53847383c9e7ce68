package echo

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"cel.dev/cel-go/cel"

	"github.com/headgate/headgate/internal/platform/decode"
	"github.com/headgate/headgate/internal/platform/fault"
	"github.com/headgate/headgate/internal/webhook/signature"
)

// Ways to verify a webhook.
const (
	Standard = "standard" // Standard Webhooks, v1 and v1a
	GitHub   = "github"   // X-Hub-Signature-256, or another header of its form
	Bearer   = "bearer"
	None     = "none"
)

// celCost bounds what an expression may do for a webhook.
const celCost = 100_000

// Hook is a webhook that is taken under a name.
type Hook struct {
	Name     string
	Verify   string // Standard, GitHub, Bearer, None
	Header   string // that has the signature, of GitHub's form
	Secrets  []string
	Entity   *Expression // nil: it names none
	ID       *Expression
	Signal   bool
	Sync     string // id of a sync to run
	Service  string // and EventKey: counts as an event of the gate
	EventKey string
}

// Expression is CEL over body (the JSON) and headers (by lower-case name).
type Expression struct{ program cel.Program }

// Compile compiles an expression whose result is text.
func Compile(text string) (*Expression, error) {
	env, err := cel.NewEnv(cel.Variable("body", cel.DynType), cel.Variable("headers", cel.MapType(cel.StringType, cel.StringType)))
	if err != nil {
		return nil, err
	}
	ast, issues := env.Compile(text)
	if issues.Err() != nil {
		return nil, issues.Err()
	}
	program, err := env.Program(ast, cel.CostLimit(celCost))
	if err != nil {
		return nil, err
	}
	return &Expression{program}, nil
}

func (e *Expression) text(vars map[string]any) (string, error) {
	out, _, err := e.program.Eval(vars)
	if err != nil {
		return "", err
	}
	switch v := out.Value().(type) {
	case string:
		return v, nil
	case int64, uint64:
		return fmt.Sprint(v), nil
	case float64: // no exponent: an id is as it was written
		return strconv.FormatFloat(v, 'f', -1, 64), nil
	}
	return "", fmt.Errorf("it gives a %s, and text is needed", out.Type().TypeName())
}

// Check verifies a webhook and returns its id, "" if it has none. Unauthenticated:
// it is not from whom it should be.
func (h *Hook) Check(header http.Header, body []byte, now time.Time) (id string, err error) {
	switch h.Verify {
	case Standard:
		id, err = signature.Verify(h.Secrets, header, body, now)
	case GitHub:
		id, err = signature.VerifyGitHub(h.Secrets, h.Header, header, body)
	case Bearer:
		id, err = header.Get(signature.HeaderID), signature.VerifyBearer(h.Secrets, header)
	default:
		id = header.Get(signature.HeaderID)
	}
	if err != nil {
		return "", fault.Wrap(fault.Unauthenticated, err, "the webhook is not verified: %s", strings.TrimPrefix(err.Error(), "webhook: "))
	}
	if len(id) > maxID {
		return "", fault.New(fault.Invalid, "the webhook's id has at most %d bytes", maxID)
	}
	return id, nil
}

// Named is the entity that a webhook is about: "items" or "acme/items", and its id.
func (h *Hook) Named(header http.Header, body []byte) (entity, id string, err error) {
	if h.Entity == nil {
		return "", "", nil
	}
	value, err := parse(body)
	if err != nil {
		return "", "", fault.Wrap(fault.Invalid, err, "the body is not JSON")
	}
	headers := make(map[string]string, len(header))
	for name, v := range header {
		headers[strings.ToLower(name)] = strings.Join(v, ", ")
	}
	vars := map[string]any{"body": value, "headers": headers}
	if entity, err = h.Entity.text(vars); err == nil {
		id, err = h.ID.text(vars)
	}
	if err != nil {
		return "", "", fault.New(fault.Invalid, "hook %s cannot tell which entity the webhook is about: %s", h.Name, err)
	}
	return entity, id, nil
}

// parse reads JSON with its whole numbers as integers: as floating point they would
// lose digits, and be written with an exponent.
func parse(body []byte) (value any, err error) {
	if value, err = decode.One(body); err != nil {
		return nil, err
	}
	return numbers(value)
}

func numbers(v any) (out any, err error) {
	switch v := v.(type) {
	case json.Number:
		return number(v.String())
	case []any:
		for i := range v {
			if v[i], err = numbers(v[i]); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		for k := range v {
			if v[k], err = numbers(v[k]); err != nil {
				return nil, err
			}
		}
	}
	return v, nil
}

// number is an int64, a uint64 or a float64; text where a whole number is too long
// for them, as only an id is.
func number(s string) (any, error) {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return n, nil
	}
	if n, err := strconv.ParseUint(s, 10, 64); err == nil {
		return n, nil
	}
	if !strings.ContainsAny(s, ".eE") {
		return s, nil
	}
	return strconv.ParseFloat(s, 64)
}

// Once calls do unless the webhook came before, and remembers it if do succeeds. do
// must be harmless to repeat.
func (s *Service) Once(ctx context.Context, hook, id string, do func() error) (duplicate bool, err error) {
	if id == "" {
		return false, do()
	}
	if known, err := s.Seen(ctx, hook, id); err != nil || known {
		return known, err
	}
	if err := do(); err != nil {
		return false, err
	}
	return false, s.Remember(ctx, hook, id)
}
