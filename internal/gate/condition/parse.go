package condition

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

const (
	// MaxLength is the length of the longest condition in bytes.
	MaxLength = 10_000
	// MaxDepth is the number of levels of parentheses and functions.
	MaxDepth = 32
)

// SyntaxError is a fault of a condition's text.
type SyntaxError struct {
	Offset  int // in bytes, from 0
	Message string
}

// Error names the place as people count: from 1.
func (e *SyntaxError) Error() string { return fmt.Sprintf("at %d: %s", e.Offset+1, e.Message) }

// identifier is a name that needs no endpoint("…").
var identifier = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*`)

// spelled returns an endpoint's name as a condition spells it.
func spelled(endpoint string) string {
	if identifier.FindString(endpoint) == endpoint && endpoint != "atLeast" && endpoint != "endpoint" {
		return endpoint
	}
	quoted, _ := json.Marshal(endpoint) // of a string it never fails
	return "endpoint(" + string(quoted) + ")"
}

// Parse reads a condition on the endpoints with these names. Its error is a *SyntaxError,
// the first fault of the text.
func Parse(text string, endpoints []string) (*Condition, error) {
	if len(text) > MaxLength {
		return nil, &SyntaxError{MaxLength, fmt.Sprintf("it has %d bytes, and %d is the most", len(text), MaxLength)}
	}
	p := &parser{text: text, endpoints: endpoints}
	root := p.or()
	if p.space(); p.err == nil && p.at < len(text) {
		p.fail(p.at, "%s is not expected here", p.next())
	}
	if p.err != nil {
		return nil, p.err
	}
	return &Condition{root, endpoints}, nil
}

// parser reads by recursive descent. After a fault it only returns.
type parser struct {
	text      string
	at, depth int
	endpoints []string
	err       error
}

func (p *parser) fail(at int, form string, args ...any) *node {
	if p.err == nil {
		p.err = &SyntaxError{at, fmt.Sprintf(form, args...)}
	}
	return &node{}
}

func (p *parser) space() {
	for p.at < len(p.text) && strings.ContainsRune(" \t\r\n", rune(p.text[p.at])) {
		p.at++
	}
}

// next describes what stands here, for a message.
func (p *parser) next() string {
	if p.at >= len(p.text) {
		return "the end"
	}
	if id := identifier.FindString(p.text[p.at:]); id != "" {
		return strconv.Quote(id[:min(len(id), 40)])
	}
	return strconv.QuoteRune([]rune(p.text[p.at:])[0])
}

// take moves behind the token, if it stands here.
func (p *parser) take(token string) bool {
	p.space()
	if p.err != nil || !strings.HasPrefix(p.text[p.at:], token) {
		return false
	}
	p.at += len(token)
	return true
}

func (p *parser) expect(token string) {
	if !p.take(token) {
		p.fail(p.at, "%q is expected, not %s", token, p.next())
	}
}

func (p *parser) or() *node  { return p.list(isAny, "||", p.and) }
func (p *parser) and() *node { return p.list(isAll, "&&", p.term) }

// list reads operands with an operator between them.
func (p *parser) list(k kind, operator string, operand func() *node) *node {
	n := &node{kind: k, args: []*node{operand()}}
	for p.take(operator) {
		n.args = append(n.args, operand())
	}
	if len(n.args) == 1 {
		return n.args[0]
	}
	return n
}

func (p *parser) term() *node {
	if p.depth++; p.depth > MaxDepth {
		return p.fail(p.at, "there are more than %d levels", MaxDepth)
	}
	defer func() { p.depth-- }()
	if p.take("(") {
		n := p.or()
		p.expect(")")
		return n
	}
	begin := p.at
	id := identifier.FindString(p.text[p.at:])
	if id == "" || p.err != nil {
		if p.take("!") {
			return p.fail(begin, "there is no negation: a further event must not make a complete window incomplete")
		}
		return p.fail(p.at, "an endpoint is expected, not %s", p.next())
	}
	p.at += len(id)
	if !p.take("(") {
		return p.named(begin, id)
	}
	switch id {
	case "endpoint":
		return p.quoted()
	case "atLeast":
		return p.atLeast(begin)
	}
	return p.fail(begin, "there is no function %q: the functions are atLeast and endpoint", id)
}

// named returns the endpoint of that name.
func (p *parser) named(begin int, endpoint string) *node {
	if i := slices.Index(p.endpoints, endpoint); i >= 0 {
		return &node{kind: isName, endpoint: i}
	}
	return p.fail(begin, "there is no endpoint %q: the endpoints are %s", endpoint, listed(p.endpoints))
}

func listed(endpoints []string) string {
	const most = 10
	spelt := make([]string, 0, most+1)
	for i, e := range endpoints {
		if i == most {
			spelt = append(spelt, "…")
			break
		}
		spelt = append(spelt, spelled(e))
	}
	return strings.Join(spelt, ", ")
}

// quoted reads the argument of endpoint, a string of JSON, and the parenthesis behind it.
func (p *parser) quoted() *node {
	p.space()
	begin := p.at
	end := closing(p.text, p.at)
	var endpoint string
	if end < 0 || json.Unmarshal([]byte(p.text[begin:end]), &endpoint) != nil {
		return p.fail(begin, `a name in quotes is expected: endpoint("any name")`)
	}
	p.at = end
	n := p.named(begin, endpoint)
	p.expect(")")
	return n
}

// closing returns the end of the quoted text that begins at the offset; -1 if there is none.
func closing(text string, at int) int {
	if at >= len(text) || text[at] != '"' {
		return -1
	}
	for i := at + 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return -1
}

// atLeast reads the arguments of the function, and the parenthesis behind them.
func (p *parser) atLeast(begin int) *node {
	p.space()
	end := p.at
	for end < len(p.text) && '0' <= p.text[end] && p.text[end] <= '9' {
		end++
	}
	least, err := strconv.Atoi(p.text[p.at:end])
	if err != nil {
		return p.fail(p.at, "a number is expected: atLeast(2, a, b, c)")
	}
	p.at = end
	n := &node{kind: isAtLeast, least: least}
	for p.take(",") {
		n.args = append(n.args, p.or())
	}
	p.expect(")")
	switch {
	case p.err != nil:
	case least < 1:
		return p.fail(begin, "atLeast(%d, …) is always true: the number must be at least 1", least)
	case least > len(n.args):
		return p.fail(begin, "atLeast(%d, …) is never true: the number of its conditions is %d", least, len(n.args))
	}
	return n
}
