"""Schedules whose steps also mask tokens again: remasking by coins (ReMDM), correctors, lists of pairs."""
