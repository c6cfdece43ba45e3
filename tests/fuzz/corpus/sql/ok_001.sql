
SELECT MAP['k', 1, 'l', 2], ARRAY[1,2][1], ARRAY(), ROW(1,'x'), (1,'x'), a[1][2], m['k']