
SELECT a AS 'day', b "X", c day, d value FROM t GROUP BY (a, b), c HAVING COUNT(*) > 1 LIMIT ALL OFFSET 5 ROWS