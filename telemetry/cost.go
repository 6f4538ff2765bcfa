package telemetry

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"assay/internal/audit"
	"assay/internal/auth"
	"assay/internal/fault"
	"assay/internal/postgres"
)

// DatedCard is a rate card with what it prices and since when. A card is never
// edited: another price is another version.
type DatedCard struct {
	RateCard
	Currency      string    `json:"currency"`
	ModelVersion  string    `json:"model_version,omitempty"` // "" prices every version without a card of its own
	EffectiveFrom time.Time `json:"effective_from"`          // a UTC day
	AddedBy       string    `json:"-"`
}

// Cards lists the rate cards, the latest first.
func (s *Store) Cards(ctx context.Context, actor auth.Actor) ([]DatedCard, error) {
	if err := mayMeasure(actor); err != nil {
		return nil, err
	}
	rows, _ := s.DB.Query(ctx, `
		SELECT version, input_per_million, cached_input_per_million, output_per_million, currency, model_version, effective_from, added_by
		FROM rate_cards
		ORDER BY effective_from DESC, model_version, version`)
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (DatedCard, error) {
		var c DatedCard
		err := row.Scan(&c.Version, &c.InputPerMillion, &c.CachedInputPerMillion, &c.OutputPerMillion, &c.Currency, &c.ModelVersion, &c.EffectiveFrom, &c.AddedBy)
		return c, err
	})
}

// AddCard adds a version. It takes effect on its day, which may lie in the
// past: what was priced as in effect since then changes, what names a version
// does not.
func (s *Store) AddCard(ctx context.Context, actor auth.Actor, c DatedCard) error {
	if err := actor.Require(auth.Configure); err != nil {
		return err
	}
	c.Version, c.ModelVersion = strings.TrimSpace(c.Version), strings.TrimSpace(c.ModelVersion)
	if err := c.check(); err != nil {
		return err
	}
	err := postgres.InTx(ctx, s.DB, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, `
			INSERT INTO rate_cards (version, input_per_million, cached_input_per_million, output_per_million, currency, model_version, effective_from, added_by)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
			c.Version, c.InputPerMillion, c.CachedInputPerMillion, c.OutputPerMillion, c.Currency, c.ModelVersion, day(c.EffectiveFrom), actor.Name)
		if err != nil {
			return err
		}
		return audit.Record(ctx, tx, audit.Entry{Actor: actor, Action: "rate_card.add", Object: "rate_card/" + c.Version,
			What: "in effect from " + c.EffectiveFrom.Format(time.DateOnly), After: c})
	})
	var taken *pgconn.PgError
	if errors.As(err, &taken) && taken.Code == "23505" {
		if taken.ConstraintName == "rate_cards_pkey" {
			return fault.Say(fault.Conflict, "There is a card of this version. A card is never edited: give the new one another version.")
		}
		return fault.Say(fault.Conflict, "Another card takes effect on this day for the same model version.")
	}
	if err != nil {
		return fmt.Errorf("add rate card: %w", err)
	}
	return nil
}

func (c DatedCard) check() error {
	if c.Version == "" || len(c.Version) > 100 {
		return fault.Say(fault.Invalid, "Give the card a version of at most 100 characters, such as internal-2026-11.")
	}
	if len(c.ModelVersion) > 200 {
		return fault.Say(fault.Invalid, "A model version has at most 200 characters.")
	}
	for _, price := range []float64{c.InputPerMillion, c.CachedInputPerMillion, c.OutputPerMillion} {
		if math.IsNaN(price) || price < 0 || price > 1e6 {
			return fault.Say(fault.Invalid, "A price is an amount per million tokens, from 0 to 1,000,000.")
		}
	}
	if len(c.Currency) != 3 || c.Currency != strings.ToUpper(c.Currency) {
		return fault.Say(fault.Invalid, "A currency is written in three letters: USD.")
	}
	if c.EffectiveFrom.IsZero() || c.EffectiveFrom.Year() < 2000 || c.EffectiveFrom.Year() > 2100 {
		return fault.Say(fault.Invalid, "Say from which day the card is in effect, such as 2026-11-20.")
	}
	return nil
}

// Prices choose the card of a call.
type Prices struct {
	Cards []DatedCard
	Named string // a version: every call is priced by it; "" by the card in effect on its day
}

// card returns the card of a call on a day, false when none is in effect.
func (p Prices) card(model string, on time.Time) (DatedCard, bool) {
	var best DatedCard
	found := false
	for _, c := range p.Cards {
		if p.Named != "" {
			if c.Version == p.Named {
				return c, true
			}
			continue
		}
		if c.EffectiveFrom.After(on) || c.ModelVersion != "" && c.ModelVersion != model {
			continue
		}
		closer := c.ModelVersion != "" && best.ModelVersion == ""
		later := c.ModelVersion == best.ModelVersion && c.EffectiveFrom.After(best.EffectiveFrom)
		if !found || closer || later {
			best, found = c, true
		}
	}
	return best, found
}

// Spent is what calls cost, in the currency of their cards.
type Spent struct {
	Calls    int64
	Unpriced int64 // calls on days no card was in effect
	Total    float64
	squares  float64 // of the cost of each call, for the interval
	Input    int64   // tokens, cached ones among them
	Cached   int64
	Output   int64
}

// PerCall is the average cost of a priced call.
func (c Spent) PerCall() Mean {
	n := float64(c.Calls - c.Unpriced)
	if n <= 0 {
		return Mean{}
	}
	m := Mean{N: int(n), Value: c.Total / n}
	if n > 1 {
		m.SE = math.Sqrt(max(0, c.squares-n*m.Value*m.Value) / (n - 1) / n)
	}
	return m
}

func (c *Spent) add(other Spent) {
	c.Calls, c.Unpriced = c.Calls+other.Calls, c.Unpriced+other.Unpriced
	c.Total, c.squares = c.Total+other.Total, c.squares+other.squares
	c.Input, c.Cached, c.Output = c.Input+other.Input, c.Cached+other.Cached, c.Output+other.Output
}

// CostRow is what a group's calls cost.
type CostRow struct {
	Group
	Calls Counted
	Spent
	Before Spent
	Days   []DayCost // of the window, oldest first; days without a call are left out
}

// DayCost is what one UTC day cost.
type DayCost struct {
	Day time.Time
	Spent
}

// Costs is what a breakdown cost, by which cards.
type Costs struct {
	Rows     []CostRow
	Versions []string // of the cards that priced something, in use
	Currency string   // "" when the cards used have several
	Prices   Prices
}

// usage is the tokens of the calls of a group, model and day: sums, and sums
// of products, of which the cost of them and its spread follow under any card.
type usage struct {
	calls                              int64
	uncached, cached, output, input    int64
	uu, cc, oo, uncachedCached, uo, co float64
}

// at prices usage by a card: A4.21, summed.
func (u usage) at(c RateCard) Spent {
	a, b, o := c.InputPerMillion/1e6, c.CachedInputPerMillion/1e6, c.OutputPerMillion/1e6
	return Spent{Calls: u.calls, Input: u.input, Cached: u.cached, Output: u.output,
		Total:   (float64(u.uncached)*c.InputPerMillion + float64(u.cached)*c.CachedInputPerMillion + float64(u.output)*c.OutputPerMillion) / 1e6,
		squares: a*a*u.uu + b*b*u.cc + o*o*u.oo + 2*(a*b*u.uncachedCached+a*o*u.uo+b*o*u.co)}
}

// Costs is A4.21 to A4.24: usage is stored once and priced against rate cards,
// a named version of them or the one in effect on each call's day.
func (s *Store) Costs(ctx context.Context, actor auth.Actor, f MetricFilter, card string) (Costs, error) {
	if err := ready(actor, f); err != nil {
		return Costs{}, err
	}
	cards, err := s.Cards(ctx, actor)
	if err != nil {
		return Costs{}, err
	}
	all := Costs{Prices: Prices{cards, card}}
	if card != "" && !slices.ContainsFunc(cards, func(c DatedCard) bool { return c.Version == card }) {
		return Costs{}, fault.Say(fault.Invalid, "There is no rate card of this version.")
	}
	counts, err := s.counted(ctx, f, BehindTokens)
	if err != nil {
		return Costs{}, err
	}
	rows := map[Group]*CostRow{}
	currencies := map[string]bool{}
	err = s.eachUsage(ctx, f, func(g Group, model string, on time.Time, now uint8, u usage) {
		if rows[g] == nil {
			rows[g] = &CostRow{Group: g}
		}
		spent := Spent{Calls: u.calls, Unpriced: u.calls, Input: u.input, Cached: u.cached, Output: u.output}
		if c, ok := all.Prices.card(model, on); ok {
			spent = u.at(c.RateCard)
			if now == 1 {
				currencies[c.Currency] = true
				if !slices.Contains(all.Versions, c.Version) {
					all.Versions = append(all.Versions, c.Version)
				}
			}
		}
		rows[g].take(now, on, spent)
	})
	if err != nil {
		return Costs{}, err
	}
	slices.Sort(all.Versions)
	for c := range currencies {
		all.Currency = c
	}
	if len(currencies) > 1 {
		all.Currency = ""
	}
	for _, g := range sorted(counts, func(c *sides[[]Counted]) int64 { return c.Now[0].Events }) {
		if row := rows[g]; row != nil {
			row.Calls = counts[g].Now[0]
			all.Rows = append(all.Rows, *row)
		}
	}
	return all, nil
}

func (r *CostRow) take(now uint8, on time.Time, spent Spent) {
	if now == 0 {
		r.Before.add(spent)
		return
	}
	r.Spent.add(spent)
	i, found := slices.BinarySearchFunc(r.Days, on, func(d DayCost, t time.Time) int { return d.Day.Compare(t) })
	if !found {
		r.Days = slices.Insert(r.Days, i, DayCost{Day: on})
	}
	r.Days[i].Spent.add(spent)
}

func (s *Store) eachUsage(ctx context.Context, f MetricFilter, each func(g Group, model string, on time.Time, now uint8, u usage)) error {
	where, args := f.where()
	return s.eachRow(ctx, func(scan func(...any) error) error {
		var g Group
		var model string
		var on time.Time
		var now uint8
		var calls uint64
		var u usage
		err := scan(&g[0], &g[1], &g[2], &g[3], &g[4], &g[5], &now, &model, &on, &calls, &u.uncached, &u.cached, &u.output, &u.input,
			&u.uu, &u.cc, &u.oo, &u.uncachedCached, &u.uo, &u.co)
		if err == nil {
			u.calls = int64(calls)
			each(g, model, on.UTC(), now, u)
		}
		return err
	}, `
		SELECT `+f.group()+`, now, toString(model), on, count(), sum(u), sum(c), sum(o), sum(i),
		       sum(toFloat64(u) * u), sum(toFloat64(c) * c), sum(toFloat64(o) * o), sum(toFloat64(u) * c), sum(toFloat64(u) * o), sum(toFloat64(c) * o)
		FROM (
			SELECT `+f.keys()+`effective_time >= ? AS now, model_version AS model, toDate(effective_time, 'UTC') AS on,
			       ifNull(`+inputCount+`, 0) AS i, ifNull(cached_input_tokens, 0) AS c, ifNull(output_tokens, 0) AS o, greatest(i - c, 0) AS u
			FROM `+allFacts+`
			WHERE `+where+` AND `+hasTokens+`)
		GROUP BY `+f.names()+`now, model, on
		LIMIT 100000`, append([]any{f.Window.From}, args...)...)
}
