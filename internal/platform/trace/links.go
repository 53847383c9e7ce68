package trace

// Links collects the spans that a span is to be linked to: one of each trace, and at most
// MaxLinks.
type Links struct {
	seen map[[16]byte]bool
	all  []Context
}

// Add adds a span, unless its trace has one already.
func (l *Links) Add(c Context) {
	if !c.Valid() || len(l.all) == MaxLinks || l.seen[c.Trace] {
		return
	}
	if l.seen == nil {
		l.seen = make(map[[16]byte]bool)
	}
	l.seen[c.Trace] = true
	l.all = append(l.all, c)
}

// Join adds those of other Links.
func (l *Links) Join(others Links) {
	for _, c := range others.all {
		l.Add(c)
	}
}

// To links the span to all that were added.
func (l *Links) To(s Span) {
	for _, c := range l.all {
		s.Link(c)
	}
}
