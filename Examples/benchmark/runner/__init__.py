"""The parts of `run`: systems, processes, one measurement, the modes, tables and charts."""
