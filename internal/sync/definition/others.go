package definition

import (
	"context"
	"time"
)

// othersAge is the time for which Others trusts what it read. A page is applied within a moment,
// and reading all definitions for each would cost more than the page.
const othersAge = 2 * time.Second

// Others knows which datatypes the other syncs of an organisation push. It is for one
// goroutine at a time.
type Others struct {
	s      *Service
	def    *Sync
	readAt time.Time
	types  map[string]bool
}

// Others returns the other syncs of the definition's organisation.
func (s *Service) Others(def *Sync) *Others { return &Others{s: s, def: def} }

// Push reports whether another sync pushes the datatype. Pushes read records in the
// order of their changes, so a record that one sync changes has to take its place in
// that order if another is to push it.
func (o *Others) Push(ctx context.Context, datatype string) (bool, error) {
	if now := o.s.o.Now(); o.types == nil || now.Sub(o.readAt) > othersAge {
		all, err := o.s.List(ctx, o.def.OrgID)
		if err != nil {
			return false, err
		}
		o.readAt, o.types = now, make(map[string]bool)
		for _, d := range all {
			if d.Sync.ID == o.def.ID || !d.Sync.Pushes() {
				continue
			}
			for _, t := range d.Sync.Datatypes(o.s.o.Kinds) {
				o.types[t] = true
			}
		}
	}
	return o.types[datatype], nil
}
