"""The flows of other libraries, each in its best native form, one file a library, behind `make(case) -> contender`."""
