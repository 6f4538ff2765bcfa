package stats

import (
	"io"
	"math"
	"math/big"
)

// Cell is one number of a published table, with who stands behind it.
type Cell struct {
	Users  int // distinct
	Events int
}

// CellRule says how many must stand behind a number that leaves the labeling
// team. The thresholds are per role.
type CellRule struct {
	Users  int // 10
	Events int // 5
	Either int // users behind a ratio's numerator, and behind its complement: 5
}

// DefaultCells is the published rule.
var DefaultCells = CellRule{Users: 10, Events: 5, Either: 5}

// Hide says which cells are not shown: the small ones, and, where exactly one
// cell of a published sum would be hidden and could be computed back, the
// next smallest of that sum. sums lists the cells of each published sum.
func (r CellRule) Hide(cells []Cell, sums [][]int) ([]bool, error) {
	hidden := make([]bool, len(cells))
	for i, c := range cells {
		if err := firstOf(checkCount("users", c.Users), checkCount("events", c.Events)); err != nil {
			return nil, err
		}
		hidden[i] = c.Users < r.Users || c.Events < r.Events
	}
	for _, sum := range sums {
		for _, i := range sum {
			if i < 0 || i >= len(cells) {
				return nil, invalid("sum", i, "an index of a cell")
			}
		}
	}
	// Hiding one more cell may leave another sum with a single hidden one.
	for again := true; again; {
		again = false
		for _, sum := range sums {
			if next := complement(cells, hidden, sum); next >= 0 {
				hidden[next] = true
				again = true
			}
		}
	}
	return hidden, nil
}

// complement is the cell to hide besides the only hidden one of a sum, or -1.
func complement(cells []Cell, hidden []bool, sum []int) int {
	count, smallest := 0, -1
	for _, i := range sum {
		switch {
		case hidden[i]:
			count++
		case smallest < 0 || cells[i].Events < cells[smallest].Events:
			smallest = i
		}
	}
	if count != 1 {
		return -1
	}
	return smallest
}

// HideRatio is true when too few users stand behind a ratio's numerator or its
// complement.
func (r CellRule) HideRatio(numeratorUsers, complementUsers int) bool {
	return numeratorUsers < r.Either || complementUsers < r.Either
}

// DiscreteLaplace is the two-sided geometric noise for one count
// (Ghosh, Roughgarden & Sundararajan 2009). Epsilon is per user: for m
// contributions of a user per release use epsilon over m.
type DiscreteLaplace struct{ Epsilon float64 }

func (d DiscreteLaplace) check() error { return checkPositive("epsilon", d.Epsilon) }

// P is the probability of adding k.
func (d DiscreteLaplace) P(k int) (float64, error) {
	if err := d.check(); err != nil {
		return 0, err
	}
	return math.Tanh(d.Epsilon/2) * math.Exp(-d.Epsilon*math.Abs(float64(k))), nil
}

// Variance of the noise.
func (d DiscreteLaplace) Variance() (float64, error) {
	if err := d.check(); err != nil {
		return 0, err
	}
	return 2 * math.Exp(-d.Epsilon) / square(-math.Expm1(-d.Epsilon)), nil
}

// Radius is the smallest r with noise within ±r at a level.
func (d DiscreteLaplace) Radius(level float64) (int, error) {
	if err := firstOf(d.check(), checkLevel("level", level)); err != nil {
		return 0, err
	}
	// P(|X| > r) = 2·a^(r+1)/(1+a)
	r := (math.Log((1-level)/2)+math.Log1p(math.Exp(-d.Epsilon)))/-d.Epsilon - 1
	return max(0, int(math.Ceil(r-1e-9))), nil
}

// Sample draws noise exactly, in rational arithmetic from uniform bits
// (Canonne, Kamath & Steinke 2020): floating-point noise betrays the count it
// hides (Mironov 2012). random is crypto/rand.Reader outside tests.
func (d DiscreteLaplace) Sample(random io.Reader) (int64, error) {
	if err := d.check(); err != nil {
		return 0, err
	}
	epsilon := new(big.Rat).SetFloat64(d.Epsilon)
	coin := exactCoin{random: random}
	x := coin.laplace(epsilon.Denom(), epsilon.Num())
	return x, coin.err
}

// DiscreteGaussian is noise for histograms of several bins per user: with
// sensitivity m in d bins, Sigma2 = m²·d/(2·rho) gives rho of zero-concentrated
// privacy (Bun & Steinke 2016).
type DiscreteGaussian struct{ Sigma2 float64 }

func (g DiscreteGaussian) check() error { return checkPositive("sigma2", g.Sigma2) }

// mass sums f(k)·exp(-k²/2σ²) over all k that matter.
func (g DiscreteGaussian) mass(f func(k float64) float64) float64 {
	reach := math.Ceil(12*math.Sqrt(g.Sigma2)) + 2
	total := f(0)
	for k := 1.0; k <= reach; k++ {
		total += 2 * f(k) * math.Exp(-k*k/(2*g.Sigma2))
	}
	return total
}

// P is the probability of adding k.
func (g DiscreteGaussian) P(k int) (float64, error) {
	if err := g.check(); err != nil {
		return 0, err
	}
	x := float64(k)
	return math.Exp(-x*x/(2*g.Sigma2)) / g.mass(func(float64) float64 { return 1 }), nil
}

// Variance of the noise, slightly below Sigma2.
func (g DiscreteGaussian) Variance() (float64, error) {
	if err := g.check(); err != nil {
		return 0, err
	}
	return g.mass(func(k float64) float64 { return k * k }) / g.mass(func(float64) float64 { return 1 }), nil
}

// Sample draws noise exactly; see DiscreteLaplace.Sample.
func (g DiscreteGaussian) Sample(random io.Reader) (int64, error) {
	if err := g.check(); err != nil {
		return 0, err
	}
	coin := exactCoin{random: random}
	sigma2 := new(big.Rat).SetFloat64(g.Sigma2)
	scale := big.NewInt(int64(math.Floor(math.Sqrt(g.Sigma2))) + 1)
	for coin.err == nil {
		x := coin.laplace(scale, big.NewInt(1))
		// Accept with probability exp(-(|x| - σ²/t)² / 2σ²).
		apart := new(big.Rat).SetInt64(max(x, -x))
		apart.Sub(apart, new(big.Rat).Quo(sigma2, new(big.Rat).SetInt(scale)))
		apart.Mul(apart, apart)
		apart.Quo(apart, new(big.Rat).Mul(sigma2, big.NewRat(2, 1)))
		if coin.exponential(apart) {
			return x, coin.err
		}
	}
	return 0, coin.err
}

// ConcentratedEpsilon is the epsilon that rho of zero-concentrated privacy is
// worth at delta. rho adds up over releases; epsilon does not.
func ConcentratedEpsilon(rho, delta float64) (float64, error) {
	if err := firstOf(checkPositive("rho", rho), checkLevel("delta", delta)); err != nil {
		return 0, err
	}
	return rho + 2*math.Sqrt(-rho*math.Log(delta)), nil
}

// PrivacyLedger is a release's budget.
type PrivacyLedger struct {
	Total float64
	Spent float64
}

// Spend takes a cost from the ledger. It is refused, and the ledger left as it
// is, when that would overspend it.
func (l PrivacyLedger) Spend(cost float64) (PrivacyLedger, Verdict, error) {
	if err := firstOf(checkPositive("cost", cost), checkNonNegative("total", l.Total), checkNonNegative("spent", l.Spent)); err != nil {
		return l, Verdict{}, err
	}
	if l.Spent+cost > l.Total*(1+1e-12) {
		return l, Verdict{Fail, ReasonBudgetSpent}, nil
	}
	return PrivacyLedger{l.Total, l.Spent + cost}, Verdict{Pass, ReasonBelow}, nil
}

// RandomizedResponse is yes or no answered on the device: the truth with
// probability e^epsilon/(1+e^epsilon), else its opposite (Warner 1965).
type RandomizedResponse struct{ Epsilon float64 }

// Truth is the probability of the true answer.
func (r RandomizedResponse) Truth() (float64, error) {
	if err := checkPositive("epsilon", r.Epsilon); err != nil {
		return 0, err
	}
	return 1 / (1 + math.Exp(-r.Epsilon)), nil
}

// Answer is the truth or its opposite.
func (r RandomizedResponse) Answer(truth bool, random io.Reader) (bool, error) {
	p, err := r.Truth()
	if err != nil {
		return false, err
	}
	coin := exactCoin{random: random}
	honest := coin.bernoulli(new(big.Rat).SetFloat64(p))
	return truth == honest, coin.err
}

// Estimate is the share of yes among n devices of which k answered so, with
// its standard error. The share may leave [0,1]: it is clamped for display
// only. No answers are undefined (ok false).
func (r RandomizedResponse) Estimate(k, n int) (share, se float64, ok bool, err error) {
	t, err := r.Truth()
	if err := firstOf(err, checkCounts(k, n)); err != nil {
		return 0, 0, false, err
	}
	if n == 0 {
		return 0, 0, false, nil
	}
	q := ratio(k, n)
	return (q + t - 1) / (2*t - 1), math.Sqrt(q*(1-q)/float64(n)) / (2*t - 1), true, nil
}

// exactCoin tosses coins of rational probability from uniform bits. It keeps
// the first error and then answers false.
type exactCoin struct {
	random io.Reader
	err    error
}

// below is uniform over 0 to limit-1, by rejection.
func (c *exactCoin) below(limit *big.Int) *big.Int {
	bits := new(big.Int).Sub(limit, big.NewInt(1)).BitLen()
	buffer := make([]byte, (bits+7)/8)
	for c.err == nil {
		if _, err := io.ReadFull(c.random, buffer); err != nil {
			c.err = err
			break
		}
		if len(buffer) > 0 && bits%8 != 0 {
			buffer[0] &= byte(1<<(bits%8)) - 1
		}
		if x := new(big.Int).SetBytes(buffer); x.Cmp(limit) < 0 {
			return x
		}
	}
	return new(big.Int)
}

// bernoulli is true with a rational probability in [0,1].
func (c *exactCoin) bernoulli(p *big.Rat) bool {
	return c.below(p.Denom()).Cmp(p.Num()) < 0 && c.err == nil
}

// exponential is true with probability exp(-gamma), gamma at least 0.
func (c *exactCoin) exponential(gamma *big.Rat) bool {
	rest := new(big.Rat).Set(gamma)
	one := big.NewRat(1, 1)
	for rest.Cmp(one) > 0 {
		if !c.exponentialUpToOne(one) {
			return false
		}
		rest.Sub(rest, one)
	}
	return c.exponentialUpToOne(rest)
}

// exponentialUpToOne tosses gamma/1, gamma/2, … until one fails; an odd number
// of tosses has probability exp(-gamma).
func (c *exactCoin) exponentialUpToOne(gamma *big.Rat) bool {
	for k := int64(1); c.err == nil; k++ {
		if !c.bernoulli(new(big.Rat).Quo(gamma, big.NewRat(k, 1))) {
			return k%2 == 1 && c.err == nil
		}
	}
	return false
}

// laplace is discrete Laplace noise with probabilities in proportion to
// exp(-|x|·s/t).
func (c *exactCoin) laplace(t, s *big.Int) int64 {
	one := big.NewRat(1, 1)
	for c.err == nil {
		u := c.below(t)
		if !c.exponential(new(big.Rat).SetFrac(u, t)) {
			continue
		}
		v := int64(0)
		for c.exponentialUpToOne(one) {
			v++
		}
		x := new(big.Int).Mul(t, big.NewInt(v))
		x.Add(x, u).Quo(x, s)
		negative := c.bernoulli(big.NewRat(1, 2))
		if negative && x.Sign() == 0 {
			continue
		}
		if negative {
			return -x.Int64()
		}
		return x.Int64()
	}
	return 0
}
