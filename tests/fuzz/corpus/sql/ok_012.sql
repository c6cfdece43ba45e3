
WITH a AS (SELECT 1), b(x, y) AS (SELECT 2, 3) SELECT * FROM a, b