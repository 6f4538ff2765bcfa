package sample

import (
	"fmt"
	"math/rand/v2"
)

var summaries = []story{
	{"summarization", "summary-v3", meetingNotes},
	{"summarization", "summary-v3", supplierContract},
	{"summarization", "summary-v3", incidentReport},
}

func meetingNotes(r *rand.Rand, wrong bool) exchange {
	who := pick(r, "Tanaka", "Osei", "Ferrer", "Lind")
	day := pick(r, "Monday", "Tuesday", "Thursday")
	amount := 10 * (2 + r.IntN(9))
	e := exchange{
		prompt: "Actions only, please, from these notes.",
		context: fmt.Sprintf("Budget: we stay at %d thousand until the board meets. %s to send the revised plan by %s. "+
			"The warehouse move was discussed, no decision. Next meeting in two weeks.", amount, who, day),
	}
	e.response = fmt.Sprintf("%s sends the revised plan by %s. No other action was agreed.", who, day)
	if wrong {
		e.response = fmt.Sprintf("%s sends the revised plan by %s. The warehouse move was approved and starts in two weeks.", who, day)
		e.reasons, e.reason = []string{"unsupported_claim"}, "incorrect"
		e.correction = "The warehouse move was discussed, but not decided."
	}
	return e
}

func supplierContract(r *rand.Rand, wrong bool) exchange {
	days, months := 14+7*r.IntN(5), 12+6*r.IntN(4)
	e := exchange{
		prompt: "Three-line summary of the supplier contract.",
		context: fmt.Sprintf("The agreement runs for %d months and ends without notice. Invoices are due within %d days. "+
			"Liability is limited to the value of the order. Disputes go to the courts of Rotterdam.", months, days),
	}
	e.response = fmt.Sprintf("Runs %d months, then ends without notice.\nInvoices are due within %d days.\nLiability is limited to the value of the order; disputes are heard in Rotterdam.", months, days)
	if wrong {
		e.response = fmt.Sprintf("Runs %d months and renews itself unless cancelled.\nInvoices are due within %d days.\nLiability is limited to the value of the order; disputes are heard in Rotterdam.", months, days)
		e.reasons = []string{"unsupported_claim"}
		e.correction = "The contract ends without notice; it does not renew itself."
	}
	return e
}

func incidentReport(r *rand.Rand, wrong bool) exchange {
	minutes := 12 + r.IntN(70)
	customers := 20 + r.IntN(400)
	e := exchange{
		prompt: "Summarise the outage for the weekly letter, two sentences.",
		context: fmt.Sprintf("A certificate expired at 09:12. Sign-in failed for %d minutes. %d customers were affected. "+
			"No data was lost. The renewal is now automatic.", minutes, customers),
	}
	e.response = fmt.Sprintf("An expired certificate kept %d customers from signing in for %d minutes. No data was lost, and the renewal is now automatic.", customers, minutes)
	if wrong {
		e.response = fmt.Sprintf("A deployment error kept %d customers from signing in for %d minutes. No data was lost, and the renewal is now automatic.", customers, minutes)
		e.reasons, e.reason = []string{"unsupported_claim"}, "incorrect"
		e.correction = "The cause was an expired certificate."
	}
	return e
}
