DROP TABLE run;
DROP TABLE session;
DROP TABLE campaign;
