package sample

import (
	"fmt"
	"math/rand/v2"
)

var queries = []story{
	{"sql_query", "sql-answerer-v12", lateInvoices},
	{"sql_query", "sql-answerer-v12", topCustomers},
	{"sql_query", "sql-answerer-v12", revenueByWeek},
	{"sql_query", "sql-answerer-v12", customersWithoutOrders},
	{"sql_query", "sql-answerer-v12", averageBasket},
}

// shop is the schema every query of the sample runs against, with enough rows
// that a wrong query shows.
const shop = `CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT, country TEXT, manager TEXT);
CREATE TABLE orders (id INTEGER PRIMARY KEY, customer_id INTEGER REFERENCES customers(id), placed_on TEXT, status TEXT);
CREATE TABLE order_lines (order_id INTEGER REFERENCES orders(id), product TEXT, quantity INTEGER, price REAL);
CREATE TABLE invoices (id INTEGER PRIMARY KEY, order_id INTEGER REFERENCES orders(id), due_on TEXT, paid_on TEXT);
INSERT INTO customers VALUES (1,'Arden Ltd','GB','Osei'),(2,'Brandt KG','DE','Lind'),(3,'Corso SpA','IT','Osei'),(4,'Dahl AB','SE','Ferrer');
INSERT INTO orders VALUES (1,1,'2026-08-03','shipped'),(2,1,'2026-09-14','shipped'),(3,2,'2026-09-20','cancelled'),(4,3,'2026-10-01','shipped'),(5,2,'2026-10-09','open');
INSERT INTO order_lines VALUES (1,'clamp',4,12.5),(1,'bolt',100,0.2),(2,'valve',2,80),(3,'shim',50,0.4),(4,'lever',3,41),(4,'bolt',10,0.2),(5,'gasket',20,1.1);
INSERT INTO invoices VALUES (1,1,'2026-09-02','2026-08-30'),(2,2,'2026-10-14',NULL),(3,4,'2026-10-31','2026-11-05'),(4,5,'2026-11-08',NULL);`

func query(sql string) map[string]any {
	return map[string]any{"kind": "sql", "dialect": "sqlite", "sql": sql, "schema": shop}
}

var readSchema = tool{"read_schema", "shop, 4 tables", "ok", 35}

func lateInvoices(r *rand.Rand, wrong bool) exchange {
	day := fmt.Sprintf("2026-11-%02d", 1+r.IntN(20))
	e := exchange{
		prompt:  fmt.Sprintf("Unpaid invoices that were overdue on %s, by account manager.", day),
		context: shop, tools: []tool{readSchema},
	}
	right := fmt.Sprintf(`SELECT c.manager, COUNT(*) AS overdue
FROM invoices i
JOIN orders o ON o.id = i.order_id
JOIN customers c ON c.id = o.customer_id
WHERE i.paid_on IS NULL AND i.due_on < '%s'
GROUP BY c.manager
ORDER BY overdue DESC`, day)
	if !wrong {
		e.response = "Unpaid means that paid_on is empty. The query counts those past their due date and goes from invoice to order to customer to find the manager."
		e.artifact = query(right)
		return e
	}
	e.response = "The invoices table keeps the account manager, so no join is needed. The query counts unpaid invoices past their due date for each manager."
	e.artifact = query(fmt.Sprintf(`SELECT account_manager, COUNT(*) AS overdue
FROM invoices
WHERE paid = 0 AND due_on < '%s'
GROUP BY account_manager`, day))
	e.reasons, e.correction, e.reason = []string{"invented_column"}, right, "incorrect"
	return e
}

func topCustomers(r *rand.Rand, wrong bool) exchange {
	n := 2 + r.IntN(4)
	e := exchange{
		prompt:  fmt.Sprintf("Top %d customers by value of shipped orders.", n),
		context: shop, tools: []tool{readSchema},
	}
	right := fmt.Sprintf(`SELECT c.name, ROUND(SUM(l.quantity * l.price), 2) AS value
FROM customers c
JOIN orders o ON o.customer_id = c.id AND o.status = 'shipped'
JOIN order_lines l ON l.order_id = o.id
GROUP BY c.id, c.name
ORDER BY value DESC
LIMIT %d`, n)
	if !wrong {
		e.response = "The value of an order is the sum of quantity times price over its lines. Only shipped orders count."
		e.artifact = query(right)
		return e
	}
	e.response = "The value of an order is the sum of quantity times price over its lines. Only shipped orders count."
	e.artifact = query(fmt.Sprintf(`SELECT c.name, ROUND(SUM(l.quantity * l.price), 2) AS value
FROM customers c, orders o, order_lines l
WHERE o.customer_id = c.id AND o.status = 'shipped'
GROUP BY c.id, c.name
ORDER BY value DESC
LIMIT %d`, n))
	e.reasons, e.correction, e.reason = []string{"missing_join"}, right, "incorrect"
	return e
}

func revenueByWeek(r *rand.Rand, wrong bool) exchange {
	from := pick(r, "2026-07-01", "2026-08-01", "2026-09-01")
	e := exchange{
		prompt:  "Revenue per week of shipped orders since " + from + ".",
		context: shop, tools: []tool{readSchema},
	}
	right := fmt.Sprintf(`SELECT strftime('%%Y-%%W', o.placed_on) AS week, ROUND(SUM(l.quantity * l.price), 2) AS revenue
FROM orders o
JOIN order_lines l ON l.order_id = o.id
WHERE o.status = 'shipped' AND o.placed_on >= '%s'
GROUP BY week
ORDER BY week`, from)
	if !wrong {
		e.response = "Grouped by the week in which the order was placed. Cancelled and open orders are left out."
		e.artifact = query(right)
		return e
	}
	e.response = "Grouped by the week in which the order was shipped. Cancelled and open orders are left out."
	e.artifact = query(fmt.Sprintf(`SELECT strftime('%%Y-%%W', o.shipped_on) AS week, ROUND(SUM(o.total), 2) AS revenue
FROM orders o
WHERE o.status = 'shipped' AND o.shipped_on >= '%s'
GROUP BY week
ORDER BY week`, from))
	e.reasons, e.correction = []string{"invented_column"}, right
	return e
}

func customersWithoutOrders(r *rand.Rand, wrong bool) exchange {
	country := pick(r, "", " in Germany", " in Sweden")
	filter := map[string]string{"": "", " in Germany": " AND c.country = 'DE'", " in Sweden": " AND c.country = 'SE'"}[country]
	e := exchange{
		prompt:  "Which customers" + country + " have never ordered anything?",
		context: shop, tools: []tool{readSchema},
	}
	right := `SELECT c.name FROM customers c
LEFT JOIN orders o ON o.customer_id = c.id
WHERE o.id IS NULL` + filter + `
ORDER BY c.name`
	if !wrong {
		e.response = "A left join keeps customers that have no order; those are the rows where the order is missing."
		e.artifact = query(right)
		return e
	}
	e.response = "An inner join with a test for a missing order gives the customers that have none."
	e.artifact = query(`SELECT c.name FROM customers c
JOIN orders o ON o.customer_id = c.id
WHERE o.id IS NULL` + filter + `
ORDER BY c.name`)
	e.reasons, e.correction = []string{"wrong_value", "false_explanation"}, right
	return e
}

func averageBasket(r *rand.Rand, wrong bool) exchange {
	status := pick(r, "shipped", "open")
	e := exchange{
		prompt:  "Average basket value of " + status + " orders.",
		context: shop, tools: []tool{readSchema},
	}
	right := fmt.Sprintf(`SELECT ROUND(AVG(value), 2) AS average_basket
FROM (SELECT o.id, SUM(l.quantity * l.price) AS value
      FROM orders o JOIN order_lines l ON l.order_id = o.id
      WHERE o.status = '%s'
      GROUP BY o.id)`, status)
	if !wrong {
		e.response = "First the value of each order, then the average over orders."
		e.artifact = query(right)
		return e
	}
	e.response = "This is the average value of an order."
	e.artifact = query(fmt.Sprintf(`SELECT ROUND(AVG(l.quantity * l.price), 2) AS average_basket
FROM orders o JOIN order_lines l ON l.order_id = o.id
WHERE o.status = '%s'`, status))
	e.reasons, e.correction = []string{"wrong_value"}, right
	return e
}
