package store

import "context"

// Gathering is the state of a claim in parts that does not have all its members yet. Only
// [Parts] and Due return such a claim; it has no EventID and no Date. It becomes Claimed or
// Dropped.
const Gathering State = "gathering"

// Part holds the events that one commit adds to a claim in parts (docs/decisions/018).
type Part struct {
	// Members are the events that the message carries, by list of the claim. A driver keeps
	// their order.
	Members [][]Member
	Taken   []Taken
	// Marks have pointers that the commit creates. No event belongs to them.
	Marks []Taken
}

// Parts is the part of a [Store] that keeps claims whose members do not fit into one commit.
type Parts interface {
	// Gather replaces the claim with c, adds part number c.Parts-1 and writes c.Docs, in one
	// commit: all or nothing. The first part creates the claim. It returns ErrConflict if the part exists, or
	// any pointer is gone; the first part also if the claim exists. If the answer to its own
	// commit was lost, it recognises the part by c.Owner. A call takes and creates at most
	// MaxClaim pointers.
	Gather(ctx context.Context, c Claim, p Part) error

	// Members returns the members of a part, by list. ErrNotFound if there is no such part.
	Members(ctx context.Context, service, id string, part int) ([][]Member, error)

	// ClaimByID returns the claim in any state, or ErrNotFound.
	ClaimByID(ctx context.Context, service, id string) (Claim, error)

	// Gatherings returns at most limit claims in state Gathering.
	Gatherings(ctx context.Context, service string, limit int) ([]ClaimInfo, error)
}
